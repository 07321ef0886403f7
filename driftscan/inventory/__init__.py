"""What an image contains, read from its merged root filesystem and its configuration alone.

`wants` tells a scanner which files to keep while it streams the layers; `take` makes the inventory of what it kept.
Nothing of the image is executed.
"""

from __future__ import annotations

from driftscan.inventory.assemble import take
from driftscan.inventory.traces import read as traces
from driftscan.inventory.wanted import wants

__all__ = ["take", "traces", "wants"]
