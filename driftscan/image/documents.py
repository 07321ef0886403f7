"""Files of this machine that tell of an image what somebody has found in it: JSON within limits."""

from __future__ import annotations

from dataclasses import replace

from driftscan.errors import NotFoundError
from driftscan.image.limits import Limits
from driftscan.image.paths import existing, opening
from driftscan.image.strictjson import JsonObject, load_object


def read_document(scheme: str, rest: str, what: str, limits: Limits) -> JsonObject:
    """The JSON object in the file `rest`; `what` names it in errors. Raises ImageError for anything else."""
    path = existing(rest, f"{scheme}:{rest}")
    if path.is_dir():
        raise NotFoundError(f"it is a folder, not {what.replace('the ', 'a ', 1)}", where=rest)
    with opening(path) as file:
        data = file.read(limits.bill + 1)
    return load_object(data, what, replace(limits, document=limits.bill))
