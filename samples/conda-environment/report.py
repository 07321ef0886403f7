"""Prints the tables of a TOML file."""

import sys

import tabulate
import tomli


def main() -> None:
    with open(sys.argv[1], "rb") as file:
        document = tomli.load(file)
    print(tabulate.tabulate(document.items(), headers=("table", "content")))


if __name__ == "__main__":
    main()
