"""A page in one file that works by itself: nothing in it can load, send or run anything but what it holds."""

from __future__ import annotations

import base64
import hashlib
import html
import json

from driftscan.report.escape import plain

_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{policy}">
<meta name="viewport" content="width=device-width">
<meta name="referrer" content="no-referrer">
<title>{title}</title>
<style>{style}</style>
</head>
<body>
{body}
<script type="application/json" id="data">{data}</script>
<script>{script}</script>
</body>
</html>
"""


def page(*, title: str, style: str, body: str, data: object, script: str) -> str:
    """The whole document. `title` is untrusted; `body` is markup, and what is untrusted in it already escaped.

    `data` is for `script`, which reads it from the element with the id `data`. The policy (CSP 3) admits this very
    script and this very style by their digests, so that nothing which gets into the page runs, and no request leaves.
    """
    policy = (
        f"default-src 'none'; script-src {_digest(script)}; style-src {_digest(style)}; "
        "base-uri 'none'; form-action 'none'"
    )
    return _PAGE.format(
        policy=policy,
        title=html.escape(plain(title)),
        style=style,
        body=body,
        data=_embedded(data),
        script=script,
    )


def _digest(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def _embedded(data: object) -> str:
    """JSON that ends no element and begins no comment, wherever in a page it stands."""
    text = json.dumps(data, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")
