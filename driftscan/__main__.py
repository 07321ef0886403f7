"""`python -m driftscan`."""

from __future__ import annotations

from driftscan.cli import main

if __name__ == "__main__":
    main()
