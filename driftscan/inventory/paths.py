"""Arithmetic on paths inside an image: POSIX strings without a leading slash, the root being the empty string."""

from __future__ import annotations


def shown(path: str) -> str:
    """The path as a person writes it."""
    return path if path.startswith("/") else f"/{path}"


def join(base: str, path: str) -> str | None:
    """`path` seen from the directory `base`, without `.` and `..`; None where it would climb out of the image.

    An absolute path starts at the image's root. Symlinks are not looked at.
    """
    if path[:1] not in ("", "/", ".") and "/." not in path and "//" not in path and path[-1] != "/":
        return child(base, path)
    parts = [] if path.startswith("/") else [part for part in base.split("/") if part]
    for part in path.split("/"):
        if part == "..":
            if not parts:
                return None
            parts.pop()
        elif part not in ("", "."):
            parts.append(part)
    return "/".join(parts)


def parent(path: str) -> str:
    return path.rpartition("/")[0]


def name(path: str) -> str:
    return path.rpartition("/")[2]


def child(directory: str, entry: str) -> str:
    return f"{directory}/{entry}" if directory else entry
