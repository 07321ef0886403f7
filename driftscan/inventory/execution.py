"""Whether what an image runs is in it: its entrypoint and command followed through its files, and nothing run."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from driftscan.dockerfile.shell import read_script
from driftscan.inventory import commands
from driftscan.inventory.paths import join, name, parent, shown
from driftscan.model.image import EntryKind, ImageConfig
from driftscan.model.inventory import Environment
from driftscan.model.traces import Execution
from driftscan.rootfs import Node, RootFS

DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_PYTHON = re.compile(r"(?:python|pypy)\d*(?:\.\d+)?t?")
_GUARD = re.compile(r"nvidia-smi|cuda\.is_available|/dev/nvidia|rocm-smi|cuda\.device_count")
_ENDS = re.compile(r"\bexit\b|\bset -\w*e|\|\|")
_BUILTINS = frozenset(
    {
        ":",
        ".",
        "[",
        "[[",
        "break",
        "cd",
        "command",
        "continue",
        "declare",
        "echo",
        "eval",
        "exec",
        "exit",
        "export",
        "false",
    }
    | {
        "getopts",
        "hash",
        "kill",
        "local",
        "printf",
        "pwd",
        "read",
        "readonly",
        "return",
        "set",
        "shift",
        "shopt",
        "source",
    }
    | {"test", "times", "trap", "true", "type", "ulimit", "umask", "unset", "wait", "alias", "let", "logout", "enable"}
)
_MAX_STEPS = 12
_MAX_FOLDERS = 64
_VALUED = frozenset({"-W", "-X", "--check-hash-based-pycs"})


def follow(rootfs: RootFS, config: ImageConfig, environment: Environment | None) -> Execution:
    """How the image runs: the program, the scripts and interpreters behind it, modules of `python -m`."""
    words = (*config.entrypoint, *config.cmd)
    if not words:
        return Execution()
    follower = _Follower(rootfs, config, environment, config.env.get("PATH") or DEFAULT_PATH)
    follower.run(words)
    return Execution(
        shell=follower.shell,
        found=tuple(dict.fromkeys(follower.found)),
        missing=follower.missing,
        unclear=follower.unclear,
        guard=follower.guard,
    )


@dataclass(slots=True)
class _Follower:
    rootfs: RootFS
    config: ImageConfig
    environment: Environment | None
    search: str
    shell: str | None = None
    found: list[str] = field(default_factory=list)
    missing: str | None = None
    unclear: str | None = None
    guard: str | None = None

    def run(self, words: Sequence[str]) -> None:
        left: Sequence[str] | None = words
        for _ in range(_MAX_STEPS):
            if not left:
                return
            left = self._step(left)
        self.unclear = f"it leads through more than {_MAX_STEPS} programs"

    def _step(self, words: Sequence[str]) -> Sequence[str] | None:
        """The command that this one runs in turn; None where it runs no other, or where nothing more can be said."""
        if (assignment := commands.ASSIGNMENT.fullmatch(words[0])) is not None:
            if assignment[1] == "PATH":
                self.search = commands.expanded(assignment[2], self.search)
            return words[1:]
        program = self._program(words[0])
        if program is None:
            return None
        self.found.append(shown(program.path))
        command = name(words[0])
        if command in commands.SHELLS:
            return self._through_shell(words, program)
        if (
            command == "env"
            or command in commands.USER_WRAPPERS
            or (command in commands.WRAPPERS and command not in commands.RUNNERS)
        ):
            return commands.unwrapped(command, tuple(words))
        if command in commands.RUNNERS:
            if words[1:2] != ("run",):
                return None
            self.unclear = f"{command} run decides where it looks for {' '.join(words[2:5])}"
            return None
        if _PYTHON.fullmatch(command):
            self._python(words)
            return None
        return self._script(program, words)

    def _program(self, word: str) -> Node | None:
        """The file that a command word runs; notes where it is missing or cannot be run."""
        if "/" in word:
            path = self._inside(word)
            node = self.rootfs.get(path) if path is not None else None
            if node is None:
                self.missing = f"there is no {shown(path if path is not None else word)}"
        else:
            folders = [folder for folder in self.search.split(":")[:_MAX_FOLDERS] if folder]
            found = (self.rootfs.get(self._inside(f"{folder}/{word}") or "") for folder in folders)
            node = next((each for each in found if each is not None and each.entry.kind is EntryKind.FILE), None)
            if node is None:
                self.missing = f"{word} is in no folder of PATH ({self.search})"
        if node is None:
            return None
        if node.entry.kind is EntryKind.DIRECTORY:
            self.missing = f"{shown(node.path)} is a folder"
            return None
        if node.entry.kind is EntryKind.FILE and not node.entry.mode & 0o111:
            self.missing = f"{shown(node.path)} is not executable (mode {node.entry.mode & 0o7777:04o})"
            return None
        return node

    def _inside(self, path: str) -> str | None:
        return join(self.config.working_dir.lstrip("/"), path)

    def _through_shell(self, words: Sequence[str], program: Node) -> Sequence[str] | None:
        text = commands.inline(words)
        if text is not None:
            self.shell = shown(program.path)
            self._text(text)
            return None
        script = next((position for position, word in enumerate(words[1:], 1) if not word.startswith("-")), None)
        if script is None:
            return None
        return self._given_script(words[script:], "")

    def _given_script(self, words: Sequence[str], what: str) -> Sequence[str] | None:
        """A script that an interpreter is given: it has to be there, and need not be executable."""
        path = self._inside(words[0])
        node = self.rootfs.get(path) if path is not None else None
        if node is None:
            self.missing = f"there is no {shown(path if path is not None else words[0])}{what}"
            return None
        self.found.append(shown(node.path))
        return self._behind(node, words)

    def _script(self, program: Node, words: Sequence[str]) -> Sequence[str] | None:
        """The interpreter of a script, from its first line."""
        data = self.rootfs.read(program.path)
        if data is None or not data.startswith(b"#!"):
            return None
        line = data.split(b"\n", 1)[0][2:].decode("utf-8", "replace")
        interpreter = line.split()
        if not interpreter:
            return None
        if line.endswith("\r"):
            self.missing = f"{shown(program.path)} has Windows line ends, so that its interpreter is not found"
            return None
        if name(interpreter[0]) == "env":
            interpreter = [word for word in interpreter[1:] if not word.startswith("-") and "=" not in word]
        if not interpreter:
            return None
        before = self.missing
        node = self._program(interpreter[0])
        if node is None:
            if self.missing != before:
                self.missing = f"the interpreter of {shown(program.path)} is missing: {self.missing}"
            return None
        self.found.append(shown(node.path))
        return self._behind(program, words)

    def _behind(self, node: Node, words: Sequence[str]) -> Sequence[str] | None:
        """What a shell script runs with `exec "$@"`."""
        data = self.rootfs.read(node.path)
        if data is None:
            return None
        text = data.decode("utf-8", "replace")
        if _GUARD.search(text) and _ENDS.search(text):
            self.guard = shown(node.path)
        if len(words) > 1 and re.search(r"""^\s*(?:exec\s+)?(?:[\w./-]+\s+)*"?\$[@*]"?""", text, re.MULTILINE):
            return words[1:]
        return None

    def _text(self, text: str) -> None:
        """A shell's text: the programs that it names have to be there."""
        script = read_script(text, self._values())
        for command in script.commands:
            if not command.name:
                self.unclear = f"`{command}` is known only when it runs"
            elif command.name not in _BUILTINS:
                self._step_in_text(command.words[0].text, tuple(word.text for word in command.words))
            elif command.name == "exec" and len(command.words) > 1 and command.words[1].is_literal:
                self._step_in_text(command.words[1].text, tuple(word.text for word in command.words[1:]))
        if script.unread:
            self.unclear = script.unread[0]

    def _step_in_text(self, program: str, words: tuple[str, ...]) -> None:
        if self.missing is not None or program.startswith("$"):
            return
        if name(program) in commands.SHELLS or _PYTHON.fullmatch(name(program)):
            self._step(words)
        elif (node := self._program(program)) is not None:
            self.found.append(shown(node.path))

    def _values(self) -> Mapping[str, str | None]:
        return dict(self.config.env)

    def _python(self, words: Sequence[str]) -> None:
        following = iter(words[1:])
        for word in following:
            if word == "-m":
                self._module(next(following, ""))
                return
            if word == "-c" or word == "-":
                return
            if word in _VALUED:
                next(following, None)
            elif not word.startswith("-"):
                self._given_script((word,), ", which Python is given")
                return

    def _module(self, module: str) -> None:
        folders = [self.config.working_dir, *filter(None, self.config.env.get("PYTHONPATH", "").split(":"))]
        if self.environment is not None:
            folders += [*self.environment.search_path, self.environment.interpreter.stdlib or ""]
        paths = [f"{folder.strip('/')}/{module.replace('.', '/')}".lstrip("/") for folder in folders if folder]
        for path in paths:
            if any(self.rootfs.get(f"{path}{suffix}") is not None for suffix in (".py", "/__main__.py")):
                self.found.append(f"python -m {module}")
                return
        package = next((path for path in paths if self.rootfs.get(f"{path}/__init__.py") is not None), None)
        if package is not None:
            self.missing = f"{shown(package)} has no __main__.py, so that `python -m {module}` cannot run it"
            return
        compiled = any(
            entry.startswith(f"{name(path)}.") and entry.endswith((".so", ".pyc"))
            for path in paths
            for entry in self.rootfs.children(parent(path))
        )
        if compiled:
            self.found.append(f"python -m {module}")
        elif self.environment is None or self.environment.interpreter.stdlib is None:
            self.unclear = f"where Python looks for the module {module} is not known"
        else:
            self.missing = f"there is no module {module} where {self.environment.path} imports from"
