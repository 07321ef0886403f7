"""Shell text is split into simple commands as a shell splits it, and what cannot be read is said."""

from __future__ import annotations

import shlex
import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as st

from driftscan.dockerfile.shell import Script, Word, read_script, unwrapped


def words(script: Script) -> list[list[str]]:
    return [[word.text for word in command.words] for command in script.commands]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a b && c || d; e & f", [["a", "b"], ["c"], ["d"], ["e"], ["f"]]),
        ("a 'b c' \"d e\" f\\ g h'i'\"j\"", [["a", "b c", "d e", "f g", "hij"]]),
        ("a \\\n  b # c\nd#e", [["a", "b"], ["d#e"]]),
        ("a | b |& c", [["a"], ["b"], ["c"]]),
        ("(a; b) && { c; d; }", [["a"], ["b"], ["c"], ["d"]]),
        ("if a; then b; elif c; then d; else e; fi", [["a"], ["b"], ["c"], ["d"], ["e"]]),
        ("while ! a; do b; done; until c; do d; done", [["a"], ["b"], ["c"], ["d"]]),
        ("for x in 1 2; do a $x; done", [["a", "$x"]]),
        ("case $x in a|b) c ;; (d) e;; *) ;; esac; f", [["c"], ["e"], ["f"]]),
        ("f() { a; }\nfunction g { b; }", [["a"], ["b"]]),
        ("a > x 2>&1 < y >> z b", [["a", "b"]]),
        ("cat <<E && a\nb\nE\nc", [["cat"], ["a"], ["c"]]),
        ("cat <<-'E'\n\tb $x\n\tE\nc", [["cat"], ["c"]]),
        ("X=1 a; X=2; b $X ${X}", [["a"], ["b", "2", "2"]]),
        ("export X='c d'; a $X \"$X\"", [["export", "X=c d"], ["a", "c", "d", "c d"]]),
        ("a $(b; c) `d` ${e:-f}", [["a", "$(b; c)", "`d`", "${e:-f}"]]),
        ("sh -c 'a && b'; bash -euxc \"c\"; sh -e -c d", [["a"], ["b"], ["c"], ["d"]]),
        ("eval 'a b'; bash <<E\nc\nE", [["a", "b"], ["c"]]),
        ("sudo -u x env A=1 sh -c 'a'", [["a"]]),
        ("a ''", [["a", ""]]),
        ("while read x; do b; done < <(c d); e <(f) g", [["read", "x"], ["b"], ["e", "<(f)", "g"]]),
        ("", []),
    ],
)
def test_commands(text: str, expected: list[list[str]]) -> None:
    found = read_script(text)
    assert (words(found), found.unread) == (expected, ())


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a 'b", "a single quote is not closed"),
        ('a "b', "a double quote is not closed"),
        ("a `b", "a backquote is not closed"),
        ("a $(b", "a $( is not closed"),
        ("a ${b", "a ${ is not closed"),
        ("cat <<E\nb", "the here-document 'E' is not closed"),
        ("case a in b) c", "a `case` is not closed"),
        ("case a in b", "a `case` is not closed"),
        ("a >", "a redirection names no file"),
        ('sh -c "$X"', "`sh -c $X` runs a text that only a build knows"),
        ("a " * 200_001, "it has more than 200000 words"),
        ("X=" + "a" * 1000 + "\n" + "b $X\n" * 5000, "its variables grow too large"),
    ],
)
def test_what_cannot_be_read_is_said(text: str, said: str) -> None:
    script = read_script(text)
    if "`case`" in said and text.endswith("c"):
        # Inside of the commands of a pattern, what was read stands.
        assert words(script) == [["c"]]
    else:
        assert script.unread == (said,)


def test_what_was_read_before_stands() -> None:
    assert words(read_script("a b; c 'd")) == [["a", "b"]]


@pytest.mark.parametrize(
    ("text", "is_literal"),
    [
        ("a", True),
        ("'$a'", True),
        ("\\*", True),
        ("$a", False),
        ("*", False),
        ("a?", False),
        ("x[1]", True),
        ("$?", False),
    ],
)
def test_what_a_word_comes_to_is_known_or_not(text: str, is_literal: bool) -> None:
    assert read_script(f"x {text}").commands[0].words[1].is_literal is is_literal


def test_a_variable_set_from_something_unknown_is_unknown() -> None:
    found = read_script("X=$(date); a $X; for Y in 1; do b $Y; done; read Z; c $Z", {"Y": "1", "Z": "2"})
    assert [command.words[1] for command in found.commands if command.name in "abc"] == [
        Word("$X", is_literal=False),
        Word("$Y", is_literal=False),
        Word("$Z", is_literal=False),
    ]


def test_pipes_and_outputs_are_noted() -> None:
    first, second = read_script("a > x | sh").commands
    assert (first.output, first.is_piped, second.is_piped) == (Word("x"), False, True)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("env -u A B=1 pip install", ["pip", "install"]),
        ("sudo -u me A=b pip", ["pip"]),
        ("timeout -k 5 10 pip", ["pip"]),
        ("exec nice -n 5 pip", ["pip"]),
        ("env", ["env"]),
        ("pip env", ["pip", "env"]),
    ],
)
def test_wrappers_are_taken_off(text: str, expected: list[str]) -> None:
    assert [word.text for word in unwrapped(read_script(text).commands[0]).words] == expected


@given(st.lists(st.text(alphabet="ab '\"\\$`*;&|<>(){}#\n\t", min_size=1, max_size=6), min_size=1, max_size=4))
def test_quoted_words_come_back(arguments: list[str]) -> None:
    text = f"x {shlex.join(arguments)}"
    assert words(read_script(text)) == [["x", *arguments]]


@given(st.text(alphabet="ab '\"\\$`*;&|<>(){}#\n\tEcase in esac", max_size=40))
def test_any_text_is_read_or_said_to_be_unread(text: str) -> None:
    script = read_script(text)
    assert all(command.words for command in script.commands)


@given(
    st.lists(st.sampled_from(["p a", "p 'b c'", "p d\\ e", 'p "f g"', "(p h)", "{ p i; }", "p j # k\n"]), min_size=1)
)
def test_a_shell_runs_the_same_commands(pieces: list[str]) -> None:
    text = "\n".join(pieces)
    program = "p() { printf '%s\\0' \"$@\"; printf '\\n\\0'; }\n" + text
    ran = subprocess.run(["sh", "-c", program], capture_output=True, check=True, text=True).stdout
    expected = [line.strip("\0").split("\0") for line in ran.split("\n\0") if line]
    assert [each[1:] for each in words(read_script(text))] == expected
