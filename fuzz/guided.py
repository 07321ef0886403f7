"""One target under atheris: `python -m fuzz.guided TARGET CORPUS [LIBFUZZER OPTIONS]`. Started by `fuzz.run`."""

from __future__ import annotations

import sys

import atheris


def main() -> None:
    with atheris.instrument_imports(include=["driftscan"]):
        from fuzz.targets import TARGETS
    atheris.Setup([sys.argv[0], *sys.argv[2:]], TARGETS[sys.argv[1]].run)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
