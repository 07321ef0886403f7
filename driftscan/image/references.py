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

    Raises UsageError for an empty string or rest.
    """
    if len(text) > _LONGEST or not text.isprintable():
        raise UsageError("the target is too long or holds control characters", where=f"{text[:60]!r}")
    scheme, colon, rest = text.partition(":")
    if not colon or scheme not in SCHEMES:
        if not text:
            raise UsageError("the target is empty", hint=f"give an image name, a path, or one of {_listed()}")
        return Target(None, text)
    if not rest:
        hint = f"give a target such as {_example(scheme)}"
        raise UsageError(f"nothing stands behind {scheme}:", where=text, hint=hint)
    if scheme in ("docker", "podman", "registry") and rest.startswith("//"):
        hint = f"write {scheme}:{rest.lstrip('/')}"
        raise UsageError(f"the scheme {scheme}: takes an image name, not a URL", where=text, hint=hint)
    return Target(scheme, rest)


def _listed() -> str:
    return ", ".join(f"{scheme}:" for scheme in SCHEMES)


def _example(scheme: str) -> str:
    return f"{scheme}:shop:1.4" if scheme in ("docker", "podman", "registry") else f"{scheme}:PATH"


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
