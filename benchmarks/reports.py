"""What a report of 5,000 findings costs in each format, and what filtering them costs in the page.

    python benchmarks/reports.py [--rounds N]

The findings are made up: 500 packages of five kinds of trouble each, in an environment of 500 distributions with 20
hashes each in the lock. The page is measured in Chromium where that and chromedriver are installed: a filter is set,
and the page laid out. Prints medians, and exits with 1 where a limit is passed.
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from locks import Row, medians
from packaging.utils import canonicalize_name
from selenium import webdriver

from driftscan.finding import Finding, Location, LockInput, Report, Severity, TargetInput
from driftscan.model.dependencies import Dependencies, Kind, Link, Node, Start
from driftscan.model.image import ImageConfig, LayerId
from driftscan.model.inventory import Distribution, Environment, EnvironmentKind, Interpreter, Inventory
from driftscan.model.lock import Artifact, Hash, Package, PackageId, Unchecked
from driftscan.model.target import Target
from driftscan.report import FORMATS
from driftscan.report.view import View

LIMIT = 2.0
"""Seconds to write one format."""
FILTER_LIMIT = 100.0
"""Milliseconds from a key to a page that is laid out: what is quicker is taken for immediate."""
PACKAGES = 500
FINDINGS = 5000
LAYERS = 60
SITE = "/opt/venv/lib/python3.11/site-packages"
_RULES = (
    ("DR202", "version-mismatch", Severity.ERROR),
    ("IN401", "modified-file", Severity.ERROR),
    ("NW301", "wheel-not-in-lock", Severity.ERROR),
    ("DR208", "excluded-by-marker", Severity.WARNING),
    ("DR203", "unexpected", Severity.INFO),
)
_FILTER = """
const [text, done] = arguments, box = document.querySelector("form input[type=search]");
const started = performance.now();
box.value = text;
box.dispatchEvent(new Event("input", { bubbles: true }));
document.body.getBoundingClientRect();
const worked = performance.now() - started;
done(worked);
"""


def layer(number: int) -> LayerId:
    return LayerId(
        number, f"sha256:{number:064x}", f"RUN pip install --no-cache-dir -U package-{number} && step {number}"
    )


def finding(number: int) -> Finding:
    name = f"package-{number % PACKAGES}"
    rule, slug, severity = _RULES[number // PACKAGES % len(_RULES)]
    return Finding(
        rule=rule,
        slug=slug,
        severity=severity,
        package=name,
        message=f"{name} 1.{number} is locked, 2.{number} is installed in {SITE}/{name}/module_{number}.py",
        locked=(f"1.{number}",),
        installed=(f"2.{number}",),
        path=f"{SITE}/{name}/module_{number}.py",
        layer=layer(number % LAYERS + 1),
        chain=("shop", f"package-{number % 7}", name),
        hint="take that instruction out or let it install from the lock",
        location=Location(path="uv.lock", line=number + 1),
    )


def report() -> Report:
    names = [canonicalize_name(f"package-{number}") for number in range(PACKAGES)]
    environment = Environment(
        path="/opt/venv",
        kind=EnvironmentKind.VENV,
        interpreter=Interpreter(executable="/usr/bin/python3.11", version="3.11.2", machine="x86_64"),
        target=Target(),
        search_path=(SITE,),
        distributions=tuple(
            Distribution(
                name=name,
                version="2.0",
                path=f"{SITE}/{name}-2.0.dist-info",
                site=SITE,
                requires=tuple(f"package-{number * step % PACKAGES}>=1" for step in (3, 5, 7)),
                layer=layer(number % LAYERS + 1),
            )
            for number, name in enumerate(names)
        ),
    )
    return Report(
        locks=(LockInput(path="uv.lock", format="uv", sha256="12" * 32),),
        target=TargetInput(reference="shop:1.4", source="docker", digest="sha256:" + "34" * 32),
        environment=environment,
        locked=PACKAGES,
        installed=PACKAGES,
        matching=0,
        findings=tuple(sorted(map(finding, range(FINDINGS)), key=lambda each: each.severity.rank)),
        unchecked=tuple(Unchecked(f"files of package-{number}", "its RECORD is damaged") for number in range(100)),
        packages=tuple(
            Package(
                id=PackageId(name, "1.0"),
                line=number + 1,
                artifacts=tuple(Artifact(hashes=(Hash("sha256", f"{number * 20 + file:064x}"),)) for file in range(20)),
            )
            for number, name in enumerate(names)
        ),
        dependencies=Dependencies(
            title="uv.lock",
            kind=Kind.LOCKED,
            nodes=tuple(Node(name=name, version="1.0") for name in names),
            links=tuple(
                Link(source=number, target=number * step % PACKAGES)
                for number in range(1, PACKAGES)
                for step in (3, 5, 7)
            ),
            starts=(Start(target=0),),
        ),
        inventory=Inventory(
            config=ImageConfig(), layers=tuple(map(layer, range(1, LAYERS + 1))), environments=(environment,), default=0
        ),
    )


def written(made: Report, rounds: int) -> Iterator[Row]:
    view = View(width=100, verbose=True)
    for name, render in FORMATS.items():
        size = len(render(made, view).encode())
        (seconds,) = medians(rounds, lambda render=render: render(made, view))  # type: ignore[misc]
        yield Row(f"{FINDINGS} findings as {name}", seconds, LIMIT, "s", f"{size / 1024:.0f} KiB")


def filtered(made: Report, rounds: int) -> Iterator[Row]:
    browser, bridge = shutil.which("chromium"), shutil.which("chromedriver")
    if browser is None or bridge is None:
        print("the page is not measured: Chromium is not installed")
        return
    with tempfile.TemporaryDirectory() as folder:
        page = Path(folder, "report.html")
        page.write_text(FORMATS["html"](made, View()), encoding="utf-8")
        options = webdriver.ChromeOptions()
        options.binary_location = browser
        for option in ("--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", f"--user-data-dir={folder}/p"):
            options.add_argument(option)
        with webdriver.Chrome(options=options, service=webdriver.ChromeService(bridge)) as driver:
            driver.get(page.as_uri())
            for text in ("package-77", "module_4999", "nothing has this", "package-77 module_4 in"):
                took = [driver.execute_async_script(_FILTER, text) for _ in range(rounds)]
                driver.execute_async_script(_FILTER, "")
                yield Row(f"filter by {text!r}", statistics.median(took), FILTER_LIMIT, "ms", "in the page")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args().rounds
    made = report()
    over = 0
    for row in (*written(made, rounds), *filtered(made, rounds)):
        print(row)
        over += row.value > row.limit
    return 1 if over else 0


if __name__ == "__main__":
    sys.exit(main())
