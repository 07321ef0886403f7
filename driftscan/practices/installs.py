"""Commands that install Python packages, and whether they do it from a lock."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import Enum, auto
from types import MappingProxyType

from driftscan.dockerfile.shell import SimpleCommand, Word, unwrapped


class Source(Enum):
    """What an install takes its versions from."""

    LOCK = auto()
    LOOSE = auto()
    """Names, loose files, or a lock that the tool may change first."""
    PROJECT = auto()
    """Local files alone: the project without its dependencies, wheels of an earlier stage."""
    TOOL = auto()
    """Installers themselves."""
    UNKNOWN = auto()


@dataclass(frozen=True, slots=True, kw_only=True)
class Install:
    """One installing command.

    `locks` are the lock files that it reads, as it names them. `hashes` tells whether the tool insists on hashes; None
    where that depends on the lock. `because` says in words what is wrong or unknown, `instead` what to write.
    `projects` are those that it names.
    """

    tool: str
    source: Source
    locks: tuple[str, ...] = ()
    hashes: bool | None = True
    because: str = ""
    instead: str = ""
    projects: tuple[str, ...] = ()


_TOOLS = frozenset(
    {
        "pip",
        "setuptools",
        "wheel",
        "uv",
        "poetry",
        "pdm",
        "pipenv",
        "pip-tools",
        "hatch",
        "hatchling",
        "build",
        "virtualenv",
    }
    | {"poetry-plugin-export", "conda-lock", "pipx", "flit", "poetry-core", "setuptools-scm", "pdm-backend", "cython"}
)
_PYTHON = re.compile(r"(?:python|pypy)\d*(?:\.\d+)?t?")
_PIP = re.compile(r"pip\d*(?:\.\d+)?")
_NAME = re.compile(r"([A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?)\s*(\[[^]]*\])?\s*([<>=!~;@,].*)?", re.DOTALL)
_RUN = frozenset({"uv", "poetry", "pdm", "pipenv", "pixi", "conda", "mamba", "micromamba", "hatch"})
_TRUE = frozenset({"1", "true", "yes", "on", "t", "y"})
_PIP_VALUED = frozenset(
    {"-r", "--requirement", "-c", "--constraint", "-e", "--editable", "-t", "--target", "-i", "--index-url", "-f"}
    | {"--extra-index-url", "--find-links", "--platform", "--python-version", "--implementation", "--abi", "--root"}
    | {"--prefix", "--src", "--upgrade-strategy", "-C", "--config-settings", "--global-option", "--no-binary"}
    | {"--only-binary", "--progress-bar", "--report", "--group", "--python", "-p", "--cache-dir", "--log", "--proxy"}
    | {"--retries", "--timeout", "--trusted-host", "--cert", "--client-cert", "-w", "--wheel-dir", "-d", "--dest"}
    | {"--link-mode", "--index-strategy", "--torch-backend", "--override", "--extra", "--resolution", "--prerelease"}
    | {"--exclude-newer", "--reinstall-package", "--no-build-isolation-package", "--index", "--default-index", "-P"}
    | {
        "--upgrade-package",
        "--build-option",
        "--root-user-action",
        "--use-feature",
        "--no-sources-package",
        "--keyring-provider",
    }
)
_UV_VALUED = frozenset({"--directory", "--project", "--cache-dir", "--config-file", "--color", "--python-preference"})
"""Options of uv itself."""
_REQUIREMENT = frozenset({"-r", "--requirement", "--requirements"})
_EDITABLE = frozenset({"-e", "--editable"})


def install_of(command: SimpleCommand, values: Mapping[str, str | None]) -> Install | None:
    """What a command installs of Python's packages; None for a command that installs none."""
    command = _runs(unwrapped(command))
    variables = {
        **values,
        **{name: word.text if word.is_literal else None for name, word in command.assignments.items()},
    }
    name = command.name
    words: Sequence[Word] = command.arguments
    if _PYTHON.fullmatch(name):
        name, words = _module(words)
    if _PIP.fullmatch(name):
        name = "pip"
    reader = _READERS.get(name)
    return reader(words, variables) if reader is not None else None


def _module(words: Sequence[Word]) -> tuple[str, Sequence[Word]]:
    """Name and arguments of what `python -m NAME` or `python setup.py` runs."""
    for position, word in enumerate(words):
        if word.text == "-m" and position + 1 < len(words):
            return words[position + 1].text, words[position + 2 :]
        if not word.text.startswith("-"):
            return (word.text, words[position + 1 :]) if word.text == "setup.py" else ("", ())
    return "", ()


def _runs(command: SimpleCommand) -> SimpleCommand:
    """The command behind `uv run`, `conda run -n name` and their like."""
    words = command.arguments
    if command.name not in _RUN or not words or words[0].text != "run":
        return command
    position = 1
    while position < len(words) and words[position].text.startswith("-"):
        has_value = words[position].text in (
            "-n",
            "--name",
            "-p",
            "--prefix",
            "--with",
            "--extra",
            "--group",
            "--python",
        )
        position += 2 if has_value else 1
    inner = words[position:]
    is_python = inner and _PYTHON.fullmatch(inner[0].text) and any(word.text == "pip" for word in inner)
    if inner and (_PIP.fullmatch(inner[0].text) or inner[0].text in ("uv", "poetry") or is_python):
        return replace(command, words=tuple(inner))
    return command


def _is_set(values: Mapping[str, str | None], name: str) -> bool:
    return (values.get(name) or "").lower() in _TRUE


def _has(words: Sequence[Word], *options: str) -> bool:
    return any(word.text.partition("=")[0] in options for word in words)


def _verb(words: Sequence[Word], valued: Collection[str] = ()) -> tuple[str, Sequence[Word]]:
    """The first word that is no option and no value of one of `valued`, and all others."""
    is_value = False
    for position, word in enumerate(words):
        if not word.text.startswith("-") and not is_value:
            return word.text, [*words[:position], *words[position + 1 :]]
        is_value = word.text in valued
    return "", words


def _unknown_words(words: Sequence[Word]) -> str:
    return next((word.text for word in words if not word.is_literal), "")


# pip and what takes its options


def _pip(words: Sequence[Word], values: Mapping[str, str | None]) -> Install | None:
    verb, rest = _verb(words, _PIP_VALUED)
    if verb not in ("install", "wheel", "download"):
        return None
    return _requirements("pip", rest, values)


def _requirements(tool: str, words: Sequence[Word], values: Mapping[str, str | None]) -> Install:
    """An install as pip describes it: requirements files and requirements."""
    asked = _Asked(words)
    hashes = True if _has(words, "--require-hashes") or _is_set(values, "PIP_REQUIRE_HASHES") else None
    if "--no-index" in asked.flags:
        return Install(tool=tool, source=Source.PROJECT, because="local archives only")
    loose = [each for each in asked.named if _project(each.text) not in _TOOLS and not _is_locked_url(each.text)]
    files = tuple(word.text for word in asked.files)
    unread = _unknown_words([*asked.files, *asked.named])
    is_alone = "--no-deps" in asked.flags
    projects = [word for word in loose if _is_path(word.text)]
    names = [word for word in loose if not _is_path(word.text)]
    if unread:
        return Install(
            tool=tool, source=Source.UNKNOWN, locks=files, because=f"what {unread!r} stands for, only a build knows"
        )
    if names:
        listed = ", ".join(word.text for word in names[:4]) + (" ..." if len(names) > 4 else "")
        return Install(
            tool=tool,
            source=Source.LOOSE,
            locks=files,
            because=f"it names {listed} instead of a lock",
            instead="add it to the requirements, lock again, and install from the lock",
            projects=tuple(filter(None, (_project(word.text) for word in names))),
        )
    if projects and not is_alone:
        return Install(
            tool=tool,
            source=Source.LOOSE,
            locks=files,
            because=f"it installs {projects[0].text} with whatever its requirements resolve to",
            instead="install the lock first, and the project with --no-deps",
        )
    if files:
        return Install(tool=tool, source=Source.LOCK, locks=files, hashes=True if _is_pylock(files) else hashes)
    return Install(tool=tool, source=Source.PROJECT if projects else Source.TOOL)


def _is_pylock(files: Sequence[str]) -> bool:
    return all(re.fullmatch(r"pylock(?:\.[^.]+)?\.toml", file.rpartition("/")[2]) for file in files)


def _is_locked_url(text: str) -> bool:
    return "://" in text and "#sha256=" in text


def _is_path(text: str) -> bool:
    bare = text.partition("[")[0]
    return bare in (".", "..") or "/" in bare.partition("@")[0] or bare.endswith((".whl", ".tar.gz", ".zip"))


def _project(text: str) -> str:
    match = _NAME.fullmatch(text)
    return re.sub(r"[-_.]+", "-", match[1]).lower() if match is not None and not _is_path(text) else ""


class _Asked:
    """The words of a pip command by what they are."""

    def __init__(self, words: Sequence[Word]) -> None:
        self.files: list[Word] = []
        self.named: list[Word] = []
        self.flags: set[str] = set()
        following = iter(words)
        for word in following:
            option, sign, value = word.text.partition("=")
            if not word.text.startswith("-") or word.text == "-":
                self.named.append(word)
                continue
            if re.fullmatch(r"-[rec].+", word.text) and not word.text.startswith("--"):
                option, sign, value = word.text[:2], "=", word.text[2:].lstrip("=")
            if option in _PIP_VALUED or option in _REQUIREMENT:
                given = Word(value, word.is_literal) if sign else next(following, Word(""))
                if option in _REQUIREMENT:
                    self.files.append(given)
                elif option in _EDITABLE:
                    self.named.append(given)
            self.flags.add(option)


def _pip_sync(words: Sequence[Word], values: Mapping[str, str | None]) -> Install:
    """pip-sync and `uv pip sync`: what is not an option is a lock."""
    asked = _Asked(words)
    hashes = True if _has(words, "--require-hashes") or _is_set(values, "UV_REQUIRE_HASHES") else None
    files = tuple(word.text for word in asked.named) or ("requirements.txt",)
    return Install(tool="pip-sync", source=Source.LOCK, locks=files, hashes=True if _is_pylock(files) else hashes)


def _setup(words: Sequence[Word], _values: Mapping[str, str | None]) -> Install | None:
    if _verb(words)[0] not in ("install", "develop"):
        return None
    return Install(
        tool="setup.py",
        source=Source.LOOSE,
        because="it installs whatever its requirements resolve to",
        instead="install the lock first, then the project with `pip install --no-deps .`",
    )


# Project managers


def _uv(words: Sequence[Word], values: Mapping[str, str | None]) -> Install | None:
    verb, rest = _verb(words, _UV_VALUED)
    if verb == "pip":
        verb, rest = _verb(rest)
        if verb == "sync":
            return replace(_pip_sync(rest, values), tool="uv pip sync")
        if verb != "install":
            return None
        found = _requirements("uv pip", rest, values)
        return replace(found, hashes=True) if found.hashes is None and _is_set(values, "UV_REQUIRE_HASHES") else found
    if verb in ("sync", "run"):
        if _has(rest, "--no-sync", "--script") or (verb == "run" and not _has(rest, "--locked", "--frozen")):
            return None
        is_locked = _has(rest, "--locked", "--frozen") or any(
            _is_set(values, f"UV_{name}") for name in ("LOCKED", "FROZEN")
        )
        return _managed("uv sync", "uv.lock", is_locked, "it may write another uv.lock first", "uv sync --locked")
    if verb == "add":
        return _adds("uv add", "uv.lock", "uv sync --locked")
    return None


def _managed(tool: str, lock: str, is_locked: bool, because: str, instead: str) -> Install:
    if is_locked:
        return Install(tool=tool, source=Source.LOCK, locks=(lock,))
    return Install(tool=tool, source=Source.LOOSE, locks=(lock,), because=because, instead=f"write `{instead}`")


def _adds(tool: str, lock: str, instead: str) -> Install:
    return Install(
        tool=tool,
        source=Source.LOOSE,
        locks=(lock,),
        because="it resolves anew",
        instead=f"lock outside of the build, and write `{instead}`",
    )


def _poetry(words: Sequence[Word], _values: Mapping[str, str | None]) -> Install | None:
    verb, _ = _verb(words)
    if verb in ("install", "sync"):
        return Install(tool=f"poetry {verb}", source=Source.LOCK, locks=("poetry.lock",))
    return _adds(f"poetry {verb}", "poetry.lock", "poetry sync") if verb in ("add", "update", "lock") else None


def _pdm(words: Sequence[Word], values: Mapping[str, str | None]) -> Install | None:
    verb, rest = _verb(words)
    if verb == "sync":
        return Install(tool="pdm sync", source=Source.LOCK, locks=("pdm.lock",))
    if verb == "install":
        frozen = _has(rest, "--frozen-lockfile", "--check", "--no-lock") or _is_set(values, "PDM_FROZEN_LOCKFILE")
        return _managed("pdm install", "pdm.lock", frozen, "it may write another pdm.lock first", "pdm sync")
    return _adds(f"pdm {verb}", "pdm.lock", "pdm sync") if verb in ("add", "update") else None


def _pipenv(words: Sequence[Word], values: Mapping[str, str | None]) -> Install | None:
    verb, rest = _verb(words)
    if verb == "sync":
        return Install(tool="pipenv sync", source=Source.LOCK, locks=("Pipfile.lock",))
    if verb == "install":
        frozen = _has(rest, "--deploy", "--ignore-pipfile") or _is_set(values, "PIPENV_IGNORE_PIPFILE")
        return _managed("pipenv install", "Pipfile.lock", frozen, "it may lock again first", "pipenv sync")
    return _adds(f"pipenv {verb}", "Pipfile.lock", "pipenv sync") if verb == "update" else None


def _pixi(words: Sequence[Word], values: Mapping[str, str | None]) -> Install | None:
    verb, rest = _verb(words)
    if verb == "install":
        frozen = _has(rest, "--locked", "--frozen") or _is_set(values, "PIXI_FROZEN") or _is_set(values, "PIXI_LOCKED")
        return _managed("pixi install", "pixi.lock", frozen, "it may solve again first", "pixi install --locked")
    return _adds(f"pixi {verb}", "pixi.lock", "pixi install --locked") if verb in ("add", "update") else None


# conda

_CONDA_VALUED = frozenset(
    {
        "-n",
        "--name",
        "-p",
        "--prefix",
        "-c",
        "--channel",
        "-f",
        "--file",
        "-r",
        "--root-prefix",
        "--rc-file",
        "--solver",
    }
    | {"--platform", "--category", "-e", "--subdir", "--pypi_to_conda_lookup_file", "--extras"}
)
_EXPLICIT = re.compile(
    r"(?:conda-lock\.ya?ml|.*\.conda-lock\.ya?ml|.*\.lock(?:\.txt)?|.*conda-?(?:linux|osx|win)[^/]*\.txt|explicit.*\.txt|conda-(?:linux|osx|win)-\w+.*)"
)


def _conda(words: Sequence[Word], _values: Mapping[str, str | None]) -> Install | None:
    verb, rest = _verb(words)
    if verb == "env":
        verb, rest = _verb(rest)
        if verb not in ("create", "update"):
            return None
    elif verb not in ("install", "create", "update", "upgrade"):
        return None
    files, names = _conda_words(rest)
    unread = _unknown_words([*files, *names])
    if unread:
        return Install(tool="conda", source=Source.UNKNOWN, because=f"what {unread!r} stands for, only a build knows")
    loose = [word.text for word in names]
    if loose and all(re.fullmatch(r"(?:conda|mamba|pip|python|conda-lock)(?:[=<>!].*)?", name) for name in loose):
        return Install(tool="conda", source=Source.TOOL)
    if loose or not files:
        if not loose:
            return None
        projects = tuple(re.split(r"[=<>!\[ ]", name, maxsplit=1)[0].lower() for name in loose)
        return replace(_conda_loose(f"it names {', '.join(loose[:4])} instead of a lock"), projects=projects)
    paths = tuple(word.text for word in files)
    if all(_EXPLICIT.fullmatch(path.rpartition("/")[2]) for path in paths):
        return Install(tool="conda", source=Source.LOCK, locks=paths, hashes=None)
    return replace(_conda_loose(f"{paths[0]} is solved in the build"), locks=paths)


def _conda_loose(because: str) -> Install:
    return Install(
        tool="conda", source=Source.LOOSE, because=because, instead="install an explicit file (`conda-lock`) instead"
    )


def _conda_words(words: Sequence[Word]) -> tuple[list[Word], list[Word]]:
    """The files and the packages that a conda command names."""
    files: list[Word] = []
    names: list[Word] = []
    following = iter(words)
    for word in following:
        option, sign, value = word.text.partition("=")
        if not word.text.startswith("-"):
            names.append(word)
        elif option in ("-f", "--file"):
            files.append(Word(value, word.is_literal) if sign else next(following, Word("")))
        elif option in _CONDA_VALUED and not sign:
            next(following, None)
    return files, names


def _conda_lock(words: Sequence[Word], _values: Mapping[str, str | None]) -> Install | None:
    verb, rest = _verb(words)
    if verb != "install":
        return None
    _, names = _conda_words(rest)
    return Install(
        tool="conda-lock", source=Source.LOCK, locks=tuple(word.text for word in names) or ("conda-lock.yml",)
    )


_Reader = Callable[[Sequence[Word], Mapping[str, "str | None"]], "Install | None"]
_READERS: Mapping[str, _Reader] = MappingProxyType(
    {
        "pip": _pip,
        "pip-sync": _pip_sync,
        "setup.py": _setup,
        "uv": _uv,
        "poetry": _poetry,
        "pdm": _pdm,
        "pipenv": _pipenv,
        "pixi": _pixi,
        "conda": _conda,
        "mamba": _conda,
        "micromamba": _conda,
        "conda-lock": _conda_lock,
    }
)


def is_installer(name: str) -> bool:
    """Whether the arguments of the program of that name are understood here."""
    return name in _READERS or bool(_PIP.fullmatch(name) or _PYTHON.fullmatch(name))


def installs(
    commands: Sequence[SimpleCommand], values: Mapping[str, str | None]
) -> Iterator[tuple[SimpleCommand, Install]]:
    for command in commands:
        found = install_of(command, values)
        if found is not None:
            yield command, found
