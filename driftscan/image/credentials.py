"""Credentials of registries, where the container tools of this machine keep them.

Looked at in this order: `REGISTRY_AUTH_FILE`; `DOCKER_AUTH_CONFIG`, which holds such a document itself; Docker's
config.json (`DOCKER_CONFIG`, else `~/.docker`) with its credential helpers and stores; the auth.json that
`podman login` writes, for this session and for the user (containers-auth.json(5)). Reading Docker's format is left to
the Docker SDK.
"""

from __future__ import annotations

import json
import os
import warnings
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import NamedTuple

from driftscan.errors import UsageError
from driftscan.image.paths import home

SYSTEM_FOLDER = Path("/run/containers")
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

    Problems are collected rather than raised: many images need no credentials at all. UsageError where the user named
    a file that is not there.
    """
    problems: list[str] = []
    for place, read in _places():
        try:
            found = _look_up(read(), registry, repository)
        except FileNotFoundError:
            continue
        except _ProblemError as problem:
            problems.append(f"{place}: {problem}")
            continue
        except (OSError, ValueError, RecursionError) as error:
            problems.append(f"{place}: it cannot be read ({error})")
            continue
        if found is not None:
            return Lookup(found)
    return Lookup(None, "; ".join(problems) or None)


class _ProblemError(Exception):
    pass


def _places() -> Iterator[tuple[str, Callable[[], object]]]:
    """Where credentials may be: what it is called, and how it is read."""
    if explicit := os.environ.get("REGISTRY_AUTH_FILE"):
        yield explicit, partial(_read_named, Path(explicit))
    if document := os.environ.get("DOCKER_AUTH_CONFIG"):
        yield "DOCKER_AUTH_CONFIG", partial(_read_variable, document)
    folder = home()
    runtime = os.environ.get("XDG_RUNTIME_DIR")
    for path in (
        Path(os.environ.get("DOCKER_CONFIG") or folder / ".docker") / "config.json",
        # Where there is no folder of the session, such as for root in a container, this is Podman's.
        (Path(runtime, "containers") if runtime else SYSTEM_FOLDER / str(os.getuid())) / "auth.json",
        Path(os.environ.get("XDG_CONFIG_HOME") or folder / ".config") / "containers" / "auth.json",
    ):
        yield str(path), partial(_read, path)


def _read(path: Path) -> object:
    if path.stat().st_size > _LARGEST:
        raise _ProblemError("the file is too large for a list of credentials")
    return json.loads(path.read_bytes())


def _read_named(path: Path) -> object:
    try:
        return _read(path)
    except FileNotFoundError:
        raise UsageError(
            "REGISTRY_AUTH_FILE names a file that is not there",
            where=str(path),
            hint="name the file with the credentials, or unset the variable",
        ) from None


def _read_variable(text: str) -> object:
    document = json.loads(text)
    # As for Docker, it names no programs to run.
    return {"auths": document.get("auths")} if isinstance(document, dict) else document


def _look_up(document: object, registry: str, repository: str) -> Credentials | None:
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
