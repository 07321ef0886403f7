"""Digests as RECORD writes them (PEP 376, "Recording installed projects")."""

from __future__ import annotations

import binascii

LENGTHS = {"sha256": 32, "sha384": 48, "sha512": 64}
"""Bytes of a digest, by the name of the algorithm in RECORD."""
_PADDING = (b"", b"===", b"==", b"=")
_URL_SAFE = bytes.maketrans(b"-_", b"+/")


def hexadecimal(text: str, length: int) -> str | None:
    """Hexadecimal of a digest in URL-safe base64 without padding, or in the hexadecimal that `installer` once wrote.

    None where it is not one of `length` bytes.
    """
    try:
        if len(text) == 2 * length:
            return bytes.fromhex(text).hex()
        bare = text.encode("ascii").rstrip(b"=").translate(_URL_SAFE, b"+/")
        raw = binascii.a2b_base64(bare + _PADDING[len(bare) % 4], strict_mode=True)
    except ValueError:
        return None
    return raw.hex() if len(raw) == length else None
