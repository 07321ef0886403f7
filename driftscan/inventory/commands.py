"""How shells and wrapper programs pass a command on, read from text and never run."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping, Sequence
from itertools import groupby, takewhile

SHELLS = frozenset({"sh", "bash", "dash", "ash", "zsh", "busybox"})
ASSIGNMENT = re.compile(r"([A-Za-z_]\w*)=(.*)", re.DOTALL)
_PYTHON = re.compile(r"/(?:[^/\0]+/)*(?:python|pypy)[\d.]*[td]*")
_TRAMPOLINE = re.compile(r"""'''exec'\s+(?:"([^"]+)"|(\S+))\s+"\$0" """.rstrip())
_SIBLING = re.compile(r"""'''exec' "\$\(dirname .*"/'?(\w+)'? "\$0\"""")
_ARGUMENTS = frozenset({"$@", "${@}", "$*", "${1+$@}"})
_OPERATORS = ";&|()"
_MAX_LINES = 2000
_MAX_COMMANDS = 2000
_VALUED: Mapping[str, frozenset[str]] = {
    "tini": frozenset({"-p", "-e"}),
    "dumb-init": frozenset({"-r", "--rewrite"}),
    "nice": frozenset({"-n"}),
    **dict.fromkeys(("conda", "mamba"), frozenset({"-n", "--name", "-p", "--prefix", "--cwd"})),
    "micromamba": frozenset({"-n", "--name", "-p", "--prefix", "--cwd", "-e", "-a"}),
    "uv": frozenset({"--with", "--extra", "--group", "--project", "--directory", "--python", "-p", "--env-file"}),
    "env": frozenset({"-u", "-C"}),
    "chpst": frozenset({"-u", "-U", "-b", "-e", "-n", "-l", "-L", "-m", "-d", "-o", "-p", "-f", "-c", "-t"}),
    "setpriv": frozenset({"--reuid", "--regid", "--groups"}),
}
"""Wrappers that run the command after their own options; here the options that take a value."""
CONDA = frozenset({"conda", "mamba", "micromamba"})
RUNNERS = frozenset({*CONDA, "uv", "poetry", "pipenv", "pdm", "pixi"})
WRAPPERS = frozenset({*_VALUED, *RUNNERS, "catatonit", "exec", "command", "time", "nohup", "setsid"})
USER_WRAPPERS = frozenset({"gosu", "su-exec"})


def expanded(value: str, path: str) -> str:
    return re.sub(r"\$\{?PATH\}?", lambda _: path, value.strip("\"'"))


def inline(words: Sequence[str]) -> str | None:
    """The program text of `sh -c TEXT`, whatever other flags stand with the c."""
    for position, word in enumerate(words[1:-1], start=1):
        if re.fullmatch(r"-[a-z]*c", word):
            return words[position + 1]
        if not word.startswith("-"):
            return None
    return None


def unwrapped(command: str, words: tuple[str, ...]) -> tuple[str, ...]:
    """The command that a wrapper runs: after its options, `--`, and the user of those that switch it."""
    valued = _VALUED.get(command, frozenset())
    position = 1
    while position < len(words) and words[position].startswith("-"):
        if words[position] == "--":
            position += 1
            break
        position += 2 if words[position] in valued else 1
    return words[position + 1 :] if command in USER_WRAPPERS else words[position:]


def interpreter(text: str, folder: str) -> str | None:
    """Absolute path of the Python that the script `text` in `folder` names in its first lines; None for other programs,
    and where the search path decides (`/usr/bin/env python`).
    """
    first = text[:4096].partition("\n")[0].removeprefix("#!").split()
    if not text.startswith("#!") or not first:
        return None
    program = trampoline(text, folder) if first[0].rpartition("/")[2] in SHELLS else first[0]
    return program if program is not None and _PYTHON.fullmatch(program) else None


def trampoline(text: str, folder: str) -> str | None:
    """The interpreter in the `exec` line that pip and uv write where a path is too long for a shebang."""
    head = text[:4096]
    if (match := _TRAMPOLINE.search(head)) is not None:
        return match[1] or match[2]
    match = _SIBLING.search(head)
    return f"/{folder}/{match[1]}" if match else None


def split(text: str) -> list[tuple[str, ...]]:
    """The simple commands of a shell program, in order; what cannot be split is left out."""
    found: list[tuple[str, ...]] = []
    for line in text.replace("\\\n", " ").split("\n")[:_MAX_LINES]:
        lexer = shlex.shlex(line, posix=True, punctuation_chars=_OPERATORS)
        lexer.whitespace_split = True
        lexer.commenters = ""
        try:
            words = list(takewhile(lambda word: not word.startswith("#"), lexer))
        except ValueError:
            continue
        groups = groupby(words, key=lambda word: not word.strip(_OPERATORS))
        found += [tuple(group) for is_operator, group in groups if not is_operator]
    return found[:_MAX_COMMANDS]


def substituted(words: tuple[str, ...], rest: tuple[str, ...]) -> tuple[str, ...]:
    """`"$@"` replaced by what follows the script."""
    words = words[1:] if words[0] in ("exec", "then", "else", "do") else words
    return tuple(part for word in words for part in (rest if word in _ARGUMENTS else (word,)))
