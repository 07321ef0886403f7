"""Install a conda explicit file into a prefix: `rattler-create PREFIX FILE`, or `rattler-create PREFIX SPEC URL`.

Stands in for `micromamba create --file`, which no package index offers.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
from pathlib import Path

from rattler import Channel, Gateway, MatchSpec, PrefixRecord, install


async def create(prefix: Path, urls: list[str]) -> None:
    roots = sorted({url.rsplit("/", 2)[0] for url in urls})
    names = sorted({url.rsplit("/", 1)[1].rsplit("-", 2)[0] for url in urls})
    installed = [PrefixRecord.from_path(path) for path in (prefix / "conda-meta").glob("*.json")]
    kept = [record for record in installed if record.name.normalized not in names]
    with tempfile.TemporaryDirectory() as cache:
        found = await Gateway(cache_dir=Path(cache)).query(
            [Channel(root) for root in roots], ["linux-64", "noarch"], [MatchSpec(name) for name in names]
        )
        records = [record for source in found for record in source if record.url in urls]
        await install(
            [*records, *kept], prefix, cache_dir=Path(cache), installed_packages=installed, show_progress=False
        )


def main() -> None:
    prefix, source = Path(sys.argv[1]), sys.argv[2]
    lines = Path(source).read_text().splitlines() if Path(source).exists() else [source]
    urls = [line.split("#")[0] for line in lines if "://" in line]
    asyncio.run(create(prefix, urls))


if __name__ == "__main__":
    main()
