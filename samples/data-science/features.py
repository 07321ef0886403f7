"""Prints a table of feature hashes, one row a day."""

from datetime import date

import xxhash
from dateutil.rrule import DAILY, rrule
from tabulate import tabulate


def main() -> None:
    days = rrule(DAILY, dtstart=date(2026, 1, 1), count=7)
    print(tabulate([(day.date(), xxhash.xxh64_hexdigest(day.isoformat())) for day in days], headers=("day", "feature")))


if __name__ == "__main__":
    main()
