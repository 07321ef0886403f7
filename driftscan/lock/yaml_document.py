"""YAML as lock files use it: mappings, lists and text, with the line of each mapping.

Every scalar stays text, whatever YAML's own rules would make of it: a version `3.10` is no float and a build `no` no
boolean. Anchors, tags, duplicate keys and several documents are refused; no lock has any, and each is a way to mean
something else to another reader.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TypeAlias

import yaml

from driftscan.errors import LockError
from driftscan.lock.document import MAX_NESTING, Document

YamlValue: TypeAlias = "str | YamlList | YamlMap | None"

_MAX_NODES = 2_000_000
_NULLS = frozenset(("", "~", "null", "Null", "NULL"))
_LOADER: type[yaml.CSafeLoader | yaml.SafeLoader] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_TOO_DEEP = f"it is nested more than {MAX_NESTING} levels deep"
_OWN_LIMIT = "maximum nesting depth"
"""What PyYAML says from 6.0.4 on, which reads ahead and meets a limit of its own first."""
_TEXT_TAGS = ("tag:yaml.org,2002:str", "!")


class YamlMap(dict[str, YamlValue]):
    """A mapping; `line` is 1-based, that of its first key."""

    __slots__ = ("line",)

    def __init__(self, line: int) -> None:
        super().__init__()
        self.line = line


class YamlList(list[YamlValue]):
    """A list; `lines` are those of its items, 1-based."""

    __slots__ = ("lines",)

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[int] = []


def load_yaml(document: Document) -> YamlMap:
    """The mapping that a document is.

    Raises LockError with the line for what is no YAML, for what no lock has (see above), for more than 64 levels, and
    for more than two million values.
    """
    document.refuse_conflicts()
    text = document.text
    if not text.strip():
        raise LockError("it is empty", where=document.name, hint="lock again, or check the path")
    builder = _Builder(document.name)
    try:
        for event in _events(text):
            builder.take(event)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        where = f"{document.name}:{mark.line + 1}" if mark is not None else document.name
        if _OWN_LIMIT in (error.problem or ""):
            raise LockError(_TOO_DEEP, where=where) from error
        raise LockError(
            f"it is not valid YAML: {error.problem or error.context}",
            where=where,
            hint="the file may be cut off; lock again, or restore it",
        ) from error
    except yaml.YAMLError as error:
        raise LockError(f"it is not valid YAML: {str(error).splitlines()[0]}", where=document.name) from error
    if not isinstance(builder.root, YamlMap):
        raise LockError("it is no YAML mapping", where=document.name)
    return builder.root


def _events(text: str) -> Iterator[yaml.Event]:
    loader = _LOADER(text)
    try:
        while loader.check_event():
            event = loader.get_event()
            if event is not None:
                yield event
    finally:
        loader.dispose()


def _line(event: yaml.Event) -> int:
    """1-based; what a parser makes from text always has a mark."""
    return event.start_mark.line + 1 if event.start_mark is not None else 1


class _Builder:
    """From events to values, without recursion."""

    def __init__(self, name: str) -> None:
        self.root: YamlValue = None
        self._name = name
        self._open: list[YamlMap | YamlList] = []
        self._keys: list[str | None] = []
        self._nodes = 0
        self._documents = 0

    def take(self, event: yaml.Event) -> None:
        match event:
            case yaml.ScalarEvent():
                self._scalar(event)
            case yaml.MappingStartEvent():
                self._begin(YamlMap(_line(event)), event)
            case yaml.SequenceStartEvent():
                self._begin(YamlList(), event)
            case yaml.MappingEndEvent() | yaml.SequenceEndEvent():
                self._open.pop()
                self._keys.pop()
            case yaml.AliasEvent():
                raise self._error("it uses an alias, which no lock does", event)
            case yaml.DocumentStartEvent():
                self._documents += 1
                if self._documents > 1:
                    raise self._error("it holds several documents", event)

    def _begin(self, value: YamlMap | YamlList, event: yaml.CollectionStartEvent) -> None:
        if event.tag is not None and event.tag not in ("tag:yaml.org,2002:map", "tag:yaml.org,2002:seq"):
            raise self._error(f"it has a value of the type {event.tag}, which no lock has", event)
        if len(self._open) >= MAX_NESTING:
            raise self._error(_TOO_DEEP, event)
        if self._open and isinstance(self._open[-1], YamlMap) and self._keys[-1] is None:
            raise self._error("a key of a mapping is no text", event)
        self._add(value, event)
        self._open.append(value)
        self._keys.append(None)

    def _scalar(self, event: yaml.ScalarEvent) -> None:
        if event.tag is not None and event.tag not in _TEXT_TAGS:
            raise self._error(f"it has a value of the type {event.tag}, which no lock has", event)
        parent = self._open[-1] if self._open else None
        if isinstance(parent, YamlMap) and self._keys[-1] is None:
            if event.value in parent:
                raise self._error(f"the key {event.value[:100]!r} stands twice in one mapping", event)
            self._keys[-1] = event.value
            return
        is_null = not event.style and event.value in _NULLS  # a plain scalar, without quotes
        self._add(None if is_null else event.value, event)

    def _add(self, value: YamlValue, event: yaml.NodeEvent) -> None:
        self._nodes += 1
        if self._nodes > _MAX_NODES:
            raise self._error(f"it holds more than {_MAX_NODES:,} values", event)
        parent = self._open[-1] if self._open else None
        if isinstance(parent, YamlMap):
            parent[self._keys[-1] or ""] = value
            self._keys[-1] = None
        elif parent is not None:
            parent.append(value)
            parent.lines.append(_line(event))
        else:
            self.root = value

    def _error(self, message: str, event: yaml.Event) -> LockError:
        return LockError(message, where=f"{self._name}:{_line(event)}")
