"""Which environment an image runs: its entrypoint and command followed to an interpreter, from files alone."""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

from driftscan.inventory import commands
from driftscan.inventory.paths import child, join, name, parent, shown
from driftscan.model.image import EntryKind, ImageConfig
from driftscan.model.inventory import Environment, EnvironmentKind
from driftscan.model.lock import Unchecked
from driftscan.rootfs import RootFS

DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_PYTHON = re.compile(r"(?:python|pypy)\d*(?:\.\d+)?t?")
_MAX_STEPS = 24
_MAX_FOLDERS = 64
_TOOLING = frozenset({"pip", "setuptools", "wheel", "uv", "distribute"})


class Choice(NamedTuple):
    """Position of the default environment, and the sentence that says why."""

    position: int | None
    because: str | None = None
    unchecked: tuple[Unchecked, ...] = ()


def choose(
    rootfs: RootFS, config: ImageConfig, environments: Sequence[Environment], prefer: str | None = None
) -> Choice:
    """The environment that the image would run, or the one at `prefer`."""
    if prefer is not None:
        return _preferred(rootfs, environments, prefer)
    if not environments:
        why = "no Python interpreter, virtual environment or conda prefix was found"
        return Choice(None, None, (Unchecked("the image's Python environment", why),))
    if len(environments) == 1:
        return Choice(0, f"{environments[0].path} is the only Python environment in the image")
    tracer = _Tracer(rootfs, config, environments)
    decided = tracer.entrypoint() or tracer.variables() or _only_used(environments) or tracer.path()
    return decided or _undecided(environments)


def _preferred(rootfs: RootFS, environments: Sequence[Environment], prefer: str) -> Choice:
    path = join("", prefer) or ""
    wanted = {path, rootfs.resolve(path) or path}
    for index, environment in enumerate(environments):
        if {environment.path.lstrip("/"), environment.interpreter.executable.lstrip("/")} & wanted:
            return Choice(index, f"{environment.path} was asked for")
    for index, environment in enumerate(environments):
        if wanted & {site.lstrip("/") for site in environment.search_path}:
            return Choice(index, f"{environment.path} holds {shown(path)}, which was asked for")
    return Choice(None)


def _only_used(environments: Sequence[Environment]) -> Choice | None:
    used = [index for index, environment in enumerate(environments) if _is_used(environment)]
    if len(used) != 1:
        return None
    return Choice(used[0], f"only {environments[used[0]].path} holds distributions that the system did not install")


def _is_used(environment: Environment) -> bool:
    own = environment.path.rstrip("/") + "/"
    return any(
        distribution.owner is None and distribution.name not in _TOOLING and distribution.path.startswith(own)
        for distribution in environment.distributions
    )


def _undecided(environments: Sequence[Environment]) -> Choice:
    candidates = ", ".join(dict.fromkeys(environment.path for environment in environments))
    why = f"nothing in the image decides between {candidates}; name one with --environment"
    return Choice(None, None, (Unchecked("which Python environment the image runs", why),))


class _Step(NamedTuple):
    """A command on its way to an interpreter: words, search path, and what `"$@"` would stand for."""

    words: tuple[str, ...]
    path: str
    rest: tuple[str, ...] = ()


class _Tracer:
    def __init__(self, rootfs: RootFS, config: ImageConfig, environments: Sequence[Environment]) -> None:
        self.rootfs = rootfs
        self.config = config
        self.environments = environments

    def entrypoint(self) -> Choice | None:
        """Follows entrypoint and command through shells, wrappers and scripts to an interpreter."""
        words = (*self.config.entrypoint, *self.config.cmd)
        step: _Step | None = _Step(words, self.config.env.get("PATH", DEFAULT_PATH))
        for _ in range(_MAX_STEPS):
            if step is None or not step.words:
                return None
            found, step = self._advance(step)
            if found is not None:
                program = shlex.join(words)
                shortened = program if len(program) <= 120 else f"{program[:117]}..."
                return Choice(found, f"the image runs `{shortened}`, which {self.environments[found].path} serves")
        return None

    def variables(self) -> Choice | None:
        for variable in ("VIRTUAL_ENV", "CONDA_PREFIX", "UV_PROJECT_ENVIRONMENT"):
            value = self.config.env.get(variable, "")
            index = self._at(self._inside(value)) if value else None
            if index is not None:
                return Choice(index, f"{variable} in the image's configuration names {self.environments[index].path}")
        return None

    def path(self) -> Choice | None:
        """The Python that a bare `python` would find."""
        search = self.config.env.get("PATH", DEFAULT_PATH)
        for command in ("python", "python3"):
            program = self._which(command, search)
            index = self._serving(program) if program is not None else None
            if index is not None and (_is_used(self.environments[index]) or not any(map(_is_used, self.environments))):
                return Choice(index, f"`{command}` on the image's PATH is the one of {self.environments[index].path}")
        return None

    def _advance(self, step: _Step) -> tuple[int | None, _Step | None]:
        """One step on: the index of an environment, or the command that this one runs."""
        first = step.words[0]
        if (assignment := commands.ASSIGNMENT.fullmatch(first)) is not None:
            path = commands.expanded(assignment[2], step.path) if assignment[1] == "PATH" else step.path
            return None, step._replace(words=step.words[1:], path=path)
        command = name(first)
        if command in commands.SHELLS and (inline := commands.inline(step.words)) is not None:
            return None, self._shell(inline, step)
        if command in commands.RUNNERS:
            return self._runner(command, step)
        if command in commands.WRAPPERS or command in commands.USER_WRAPPERS:
            return None, step._replace(words=commands.unwrapped(command, step.words))
        program = self._which(first, step.path)
        if program is None:
            script = self._script_argument(step) if command in commands.SHELLS else None
            return (None, None) if script is None else (None, self._shell(script, step))
        return self._program(program, step)

    def _program(self, program: str, step: _Step) -> tuple[int | None, _Step | None]:
        if _PYTHON.fullmatch(name(program)):
            return self._serving(program), None
        if name(program) in commands.SHELLS and (script := self._script_argument(step)) is not None:
            return None, self._shell(script, step._replace(rest=step.words[2:]))
        data = self.rootfs.read(program)
        if data is None or not data.startswith(b"#!"):
            return None, None
        text = data.decode("utf-8", "replace")
        words = tuple(text.split("\n", 1)[0][2:].split())
        if words and name(words[0]) == "env":
            words = tuple(word for word in words[1:] if not word.startswith("-"))
        if not words:
            return None, None
        if name(words[0]) in commands.SHELLS:
            interpreter = commands.trampoline(text, parent(program))
            if interpreter is not None:
                return None, step._replace(words=(interpreter,))
            return None, self._shell(text, step._replace(rest=step.words[1:]))
        return None, step._replace(words=words)

    def _script_argument(self, step: _Step) -> str | None:
        """Content of the script that a shell is given as its argument."""
        script = next((word for word in step.words[1:] if not word.startswith("-")), None)
        data = self.rootfs.read(self._inside(script) or "") if script is not None else None
        return data.decode("utf-8", "replace") if data else None

    def _shell(self, text: str, step: _Step) -> _Step | None:
        """The last command of a shell program that can be found in the image, `"$@"` standing for what follows."""
        path = step.path
        last: _Step | None = None
        for words in commands.split(text):
            while words and (assignment := commands.ASSIGNMENT.fullmatch(words[0])) is not None:
                path = commands.expanded(assignment[2], path) if assignment[1] == "PATH" else path
                words = words[1:]
            if words[:1] == ("export",):
                for assignment in filter(None, map(commands.ASSIGNMENT.fullmatch, words[1:])):
                    path = commands.expanded(assignment[2], path) if assignment[1] == "PATH" else path
            elif words[:1] in ((".",), ("source",)) and len(words) > 1 and words[1].endswith("/bin/activate"):
                path = f"{words[1].removesuffix('/activate')}:{path}"
            elif words and (words := commands.substituted(words, step.rest)) and self._is_command(words, path):
                last = _Step(words, path, step.rest)
        return last

    def _is_command(self, words: tuple[str, ...], path: str) -> bool:
        command = name(words[0])
        if command in commands.WRAPPERS or command in commands.USER_WRAPPERS:
            return len(words) > 1
        if command in commands.SHELLS:
            return True
        program = self._which(words[0], path)
        if program is None:
            return False
        data = self.rootfs.read(program)
        return bool(_PYTHON.fullmatch(name(program))) or (data is not None and data.startswith(b"#!"))

    def _runner(self, command: str, step: _Step) -> tuple[int | None, _Step | None]:
        """`conda run -n name`, `uv run`, `poetry run`: the environment that they activate, and the command."""
        if step.words[1:2] != ("run",) and "run" not in step.words[1:4]:
            return None, None
        words = step.words[step.words.index("run") + 1 :]
        options = words[: len(words) - len(commands.unwrapped(command, ("run", *words)))]
        prefixes = self._conda_prefixes(options) if command in commands.CONDA else self._project_prefixes(command)
        index = self._at_any(prefixes)
        if index is None and command not in commands.CONDA:
            return None, step._replace(words=commands.unwrapped(command, ("run", *words)))
        return index, None

    def _project_prefixes(self, command: str) -> list[str]:
        """Where a project manager keeps the environment of the project in the working directory."""
        if command == "uv":
            return [self.config.env.get("UV_PROJECT_ENVIRONMENT", ".venv")]
        if command == "pixi":
            return [".pixi/envs/default"]
        # Poetry and Pipenv keep them elsewhere unless told otherwise, under a name with a hash of the project's path.
        central = [found.path for found in self.environments if "/virtualenvs/" in found.path]
        return [".venv", *(central if len(central) == 1 else ())]

    def _conda_prefixes(self, options: Sequence[str]) -> list[str]:
        named = dict(pairwise(options))
        prefix = named.get("-p") or named.get("--prefix")
        if prefix is not None:
            return [prefix]
        wanted = named.get("-n") or named.get("--name") or "base"
        condas = [found.path for found in self.environments if found.kind is EnvironmentKind.CONDA]
        if wanted == "base":
            roots = [path for path in condas if "/envs/" not in path]
            return [self.config.env.get("MAMBA_ROOT_PREFIX", ""), *roots]
        return [path for path in condas if path.endswith(f"/envs/{wanted}")]

    def _at_any(self, paths: Sequence[str]) -> int | None:
        return next((index for path in paths if path and (index := self._at(self._inside(path))) is not None), None)

    def _at(self, path: str | None) -> int | None:
        """Index of the environment whose prefix is `path`."""
        real = (self.rootfs.resolve(path) or path) if path is not None else None
        return next((i for i, found in enumerate(self.environments) if found.path.lstrip("/") == real), None)

    def _serving(self, program: str) -> int | None:
        """Index of the environment that the interpreter at `program` starts in (site.py: pyvenv.cfg above it)."""
        for _ in range(40):
            folder = self.rootfs.resolve(parent(program)) or parent(program)
            at_prefix = self._at(parent(folder))
            node = self.rootfs.lookup(child(folder, name(program)))
            if at_prefix is not None and self.environments[at_prefix].kind is EnvironmentKind.VENV:
                return at_prefix
            if node is None or node.entry.kind is not EntryKind.SYMLINK:
                break
            program = join(folder, node.entry.target) or ""
        return self._of_binary(self.rootfs.resolve(program))

    def _of_binary(self, real: str | None) -> int | None:
        if real is None:
            return None
        candidates = [
            index
            for index, found in enumerate(self.environments)
            if found.kind is not EnvironmentKind.VENV and found.interpreter.executable == shown(real)
        ]
        if not candidates:
            prefix = parent(parent(real))
            candidates = [index for index, found in enumerate(self.environments) if found.path == shown(prefix)]
        return candidates[0] if len(candidates) == 1 else None

    def _inside(self, path: str) -> str | None:
        return join(self.config.working_dir.lstrip("/"), path)

    def _which(self, command: str, search: str) -> str | None:
        """Path of the program as written after the search, symlinks in its last component not followed."""
        if "/" in command:
            path = self._inside(command)
            # An interpreter may be a link to one that is missing; its environment is meant all the same.
            return path if path is not None and self.rootfs.lookup(path) is not None else None
        candidates = [self._inside(f"{folder}/{command}") for folder in search.split(":")[:_MAX_FOLDERS] if folder]
        return next((path for path in candidates if path is not None and self._is_file(path)), None)

    def _is_file(self, path: str) -> bool:
        node = self.rootfs.get(path)
        return node is not None and node.entry.kind is EntryKind.FILE
