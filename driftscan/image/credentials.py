"""Credentials of registries, where the container tools of this machine keep them.

Looked at in this order: `REGISTRY_AUTH_FILE`; Docker's config.json (`DOCKER_CONFIG`, else `~/.docker`) with its
credential helpers and stores; `$XDG_RUNTIME_DIR/containers/auth.json`; `~/.config/containers/auth.json`
(containers-auth.json(5)). Reading Docker's format is left to the Docker SDK.
"""

from __future__ import annotations

import json
import os
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

_LARGEST = 4 << 20


class Credentials(NamedTuple):
    """A user name with its password, or an identity token (an OAuth2 refresh token) instead of both."""

    username: str = ""
    password: str = ""
    identity_token: str | None = None

    def __repr__(self) -> str:
        # Tracebacks and logs must not show a secret.
        return f"Credentials(username={self.username!r})"


class Lookup(NamedTuple):
    """What was found, and what stood in the way of looking (a helper that is not installed, a damaged file)."""

    credentials: Credentials | None = None
    problem: str | None = None


def find_credentials(registry: str, repository: str) -> Lookup:
    """Credentials for `registry` (`host[:port]`, `docker.io` for the default one) and a repository in it.

    Problems are collected rather than raised: many images need no credentials at all.
    """
    problems: list[str] = []
    for path in _files():
        try:
            found = _look_up(path, registry, repository)
        except _ProblemError as problem:
            problems.append(f"{path}: {problem}")
            continue
        if found is not None:
            return Lookup(found)
    return Lookup(None, "; ".join(problems) or None)


class _ProblemError(Exception):
    pass


def _files() -> Iterator[Path]:
    home = Path.home()
    if explicit := os.environ.get("REGISTRY_AUTH_FILE"):
        yield Path(explicit)
    yield Path(os.environ.get("DOCKER_CONFIG") or home / ".docker") / "config.json"
    if runtime := os.environ.get("XDG_RUNTIME_DIR"):
        yield Path(runtime, "containers", "auth.json")
    yield Path(os.environ.get("XDG_CONFIG_HOME") or home / ".config") / "containers" / "auth.json"


def _look_up(path: Path, registry: str, repository: str) -> Credentials | None:
    try:
        if path.stat().st_size > _LARGEST:
            raise _ProblemError("the file is too large for a list of credentials")
        document = json.loads(path.read_bytes())
    except FileNotFoundError:
        return None
    except (OSError, ValueError, RecursionError) as error:
        raise _ProblemError(f"it cannot be read ({error})") from error
    if not isinstance(document, dict):
        raise _ProblemError("it is not a JSON object")
    settings = {key: document[key] for key in ("auths", "credsStore", "credHelpers") if document.get(key)}
    return _ask_docker(settings, registry, repository) if settings else None


def _ask_docker(settings: Mapping[str, object], registry: str, repository: str) -> Credentials | None:
    from docker import auth, errors

    try:
        with warnings.catch_warnings():
            # The SDK warns about a missing helper, and then raises as well.
            warnings.simplefilter("ignore")
            config = auth.load_config(None, dict(settings))
            for key in _keys(registry, repository):
                if key != registry and key not in config.auths:
                    # Helpers know hosts only.
                    continue
                entry = config.resolve_authconfig(key) if key == registry else config.auths[key]
                if found := _credentials(entry):
                    return found
    except (errors.DockerException, ValueError, AttributeError, TypeError, KeyError, OSError) as error:
        # What the SDK does with an entry of the wrong shape.
        raise _ProblemError(_reason(error)) from error
    return None


def _keys(registry: str, repository: str) -> Iterator[str]:
    """`host/a/b`, `host/a`, `host`: auth.json may hold credentials for a part of a registry."""
    parts = [registry, *repository.split("/")]
    for count in range(len(parts), 0, -1):
        yield "/".join(parts[:count])


def _credentials(entry: object) -> Credentials | None:
    if not isinstance(entry, dict):
        return None
    values = {str(key).lower(): value for key, value in entry.items() if isinstance(value, str) and value}
    if token := values.get("identitytoken"):
        return Credentials(identity_token=token)
    if username := values.get("username"):
        return Credentials(username, values.get("password", ""))
    return None


def _reason(error: Exception) -> str:
    """Why credentials could not be read; never the text of an error that might quote them."""
    from docker import errors

    if isinstance(error, errors.DockerException):
        return str(error)
    return f"an entry is malformed ({type(error).__name__})"
