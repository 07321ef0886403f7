"""What a target string means: a scheme and its rest, and the names of images.

The grammar of image names, `[HOST[:PORT]/]PATH[:TAG][@DIGEST]`, is that of the distribution project (`reference`).
"""

from __future__ import annotations

import re
from typing import NamedTuple

from driftscan.errors import ImageError, UsageError
from driftscan.image.manifest import check_digest

DEFAULT_REGISTRY = "docker.io"
"""What a name without a host belongs to, by the convention that all container tools share."""
_API_HOSTS = {DEFAULT_REGISTRY: "registry-1.docker.io", "index.docker.io": "registry-1.docker.io"}
"""Registries whose API is served by another host than the one in the name."""
_TOKEN_HOSTS = {
    "registry-1.docker.io": "auth.docker.io",
    "registry.gitlab.com": "gitlab.com",
    "registry.digitalocean.com": "api.digitalocean.com",
}
"""Registries that are known to hand out their tokens on another host."""
_LONGEST = 4096

_HOST = re.compile(r"(?:[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?")
_COMPONENT = r"[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*"
_PATH = re.compile(rf"{_COMPONENT}(?:/{_COMPONENT})*")
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")

_DIGEST_LIKE = re.compile(r"(?:sha[0-9]+|md5|blake[0-9])\b.*|[a-z0-9+._-]+:[0-9a-f]{32,}", re.IGNORECASE | re.DOTALL)
"""What is meant for a digest behind `@`, whether it is one or not."""

_NAMING = ("docker", "podman", "registry")
"""Schemes whose rest is an image's name."""
PATH_STARTS = ("/", "./", "../", "~")
"""What no image's name begins with, and paths do."""

SCHEMES = ("docker", "podman", "registry", "docker-archive", "oci-archive", "oci", "dir", "env", "sbom", "inventory")


class Target(NamedTuple):
    """A target string, split. `scheme` is None for a bare reference."""

    scheme: str | None
    rest: str


class ImageName(NamedTuple):
    """A fully qualified image name. `registry` is `host[:port]` as in the name, `tag` and `digest` may be None."""

    registry: str
    repository: str
    tag: str | None = None
    digest: str | None = None

    @property
    def api_host(self) -> str:
        """`host[:port]` that serves the registry's API."""
        return _API_HOSTS.get(self.registry, self.registry)

    @property
    def version(self) -> str:
        """What the registry is asked for: the digest if there is one, else the tag."""
        return self.digest or self.tag or "latest"

    def __str__(self) -> str:
        tag = f":{self.tag}" if self.tag else ""
        return f"{self.registry}/{self.repository}{tag}{f'@{self.digest}' if self.digest else ''}"


def token_host(api_host: str) -> str | None:
    """The foreign host that is known to hand out tokens for `api_host`."""
    return _TOKEN_HOSTS.get(api_host)


def registry_of(api_host: str) -> str | None:
    """The registry, as in image names, whose API another host serves: this one."""
    return DEFAULT_REGISTRY if api_host == _API_HOSTS[DEFAULT_REGISTRY] else None


def parse_target(text: str) -> Target:
    """Split `SCHEME:REST`; a string without a known scheme is a bare reference.

    Raises UsageError for an empty string or rest, and for credentials in an image's name behind a scheme.
    """
    if len(text) > _LONGEST or not text.isprintable():
        raise UsageError("the target is too long or holds control characters", where=f"{masked(text)[:60]!r}")
    scheme, colon, rest = text.partition(":")
    if not colon or scheme not in SCHEMES:
        if not text:
            raise UsageError("the target is empty", hint=f"give an image name, a path, or one of {_listed()}")
        return Target(None, text)
    if not rest:
        hint = f"give a target such as {_example(scheme)}"
        raise UsageError(f"nothing stands behind {scheme}:", where=text, hint=hint)
    if scheme in _NAMING:
        refuse_credentials(text)
    if scheme in _NAMING and rest.startswith("//"):
        hint = f"write {scheme}:{rest.lstrip('/')}"
        raise UsageError(f"the scheme {scheme}: takes an image name, not a URL", where=text, hint=hint)
    return Target(scheme, rest)


def _listed() -> str:
    return ", ".join(f"{scheme}:" for scheme in SCHEMES)


def _example(scheme: str) -> str:
    return f"{scheme}:shop:1.4" if scheme in _NAMING else f"{scheme}:PATH"


def refuse_credentials(target: str) -> None:
    """UsageError where `target` is meant for an image's name with credentials in it."""
    if (found := _with_credentials(target)) is None:
        return
    scheme, name = found
    host = name.partition("/")[0]
    raise UsageError(
        "credentials do not belong into an image's name",
        where=masked(target),
        hint=f"log in (`docker login {host}` or `skopeo login {host}`), and name it {scheme}{name}; "
        "docs/image-sources.md lists where credentials are looked for",
    )


def masked(target: str) -> str:
    """`target` as it may be shown: without credentials in an image's name."""
    found = _with_credentials(target)
    return "***@".join(found) if found is not None else target


def _with_credentials(target: str) -> tuple[str, str] | None:
    """What stands around credentials in an image's name (`docker:`, and what comes behind the `@`), if there are any.

    A password may hold any character, and what ends it is the last `@` that no digest follows.
    """
    scheme, colon, rest = target.partition(":")
    if scheme not in _NAMING:
        if (colon and scheme in SCHEMES) or target.startswith(PATH_STARTS):
            return None
        scheme, colon, rest = "", "", target
    name, at, digest = rest.rpartition("@")
    end = len(name) if at and _DIGEST_LIKE.fullmatch(digest) else len(rest)
    at_sign = rest.rfind("@", 0, end)
    before, after = rest[: max(at_sign, 0)], rest[at_sign + 1 : end]
    if not before or not after or not ("/" in after or ":" in before):
        return None
    return f"{scheme}{colon}", rest[at_sign + 1 :]


def parse_image_name(text: str) -> ImageName:
    """A full image name; the default registry, its `library/` and the tag `latest` are filled in where left out.

    Raises ImageError where the text is no image name.
    """
    name, at, digest = text.partition("@")
    if at:
        check_digest(digest, "the image name")
    first, slash, rest = name.partition("/")
    has_host = slash and (any(mark in first for mark in ".:[") or first == "localhost" or first != first.lower())
    registry, path = (first, rest) if has_host else (DEFAULT_REGISTRY, name)
    path, colon, tag = path.partition(":")
    if not _HOST.fullmatch(registry) or not _PATH.fullmatch(path) or (colon and not _TAG.fullmatch(tag)):
        raise ImageError(
            "this is not the name of an image",
            where=text,
            hint="write [HOST[:PORT]/]NAME[:TAG][@sha256:DIGEST], in lower case apart from the tag",
        )
    if registry in _API_HOSTS:
        registry = DEFAULT_REGISTRY
        path = path if "/" in path else f"library/{path}"
    return ImageName(registry, path, tag if colon else None if at else "latest", digest if at else None)
