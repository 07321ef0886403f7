"""Which indexes and folders are asked, from options, inputs and the settings of this machine."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from driftscan.errors import LockError, PackageIndexError, UsageError
from driftscan.index.address import origin_of, shown
from driftscan.index.credentials import with_password
from driftscan.index.settings import configured_indexes, indexes_in
from driftscan.resolve.inputs import Inputs
from driftscan.resolve.options import Options


def indexes(inputs: Inputs, options: Options) -> Iterator[str]:
    """Indexes in the order of their priority: extra ones before the main one, as uv has it.

    Those of the command line come in place of those of the inputs, and these in place of this machine's; the latter
    matter for their credentials even so.
    """
    if (options.no_index or inputs.no_index) and not options.index_urls:
        return
    configured = indexes_in(options.index_config) if options.index_config else _configured(options, inputs)
    main = (
        options.index_urls
        or (options.index_config and configured)
        or _main_last(inputs.indexes, configured)
        or configured
    )
    seen: set[str] = set()
    for url in (*options.extra_index_urls, *main):
        if url.rstrip("/") in seen:
            continue
        seen.add(url.rstrip("/"))
        try:
            origin_of(url)
        except PackageIndexError as error:
            raise UsageError(f"the index {error.message}", hint="an index is an http or https address") from error
        yield with_password(_with_login(url, configured))


def _configured(options: Options, inputs: Inputs) -> tuple[str, ...]:
    try:
        return configured_indexes()
    except UsageError:
        if options.index_urls or (inputs.indexes and "" not in inputs.indexes):
            return ()
        raise


def _main_last(named: Sequence[str], configured: Sequence[str]) -> tuple[str, ...]:
    """The indexes of inputs, which name the main one first; an empty name stands for the configured ones."""
    return tuple(each for url in reversed(named) for each in ((url,) if url else configured))


def _with_login(url: str, configured: Iterable[str]) -> str:
    """The configured spelling of an index that was named without credentials."""
    return next((each for each in configured if shown(each).rstrip("/") == url.rstrip("/")), url)


def folders(inputs: Inputs, options: Options) -> Iterator[str]:
    for value in options.find_links:
        yield value if "://" in value else str(Path(value).absolute())
    for value, file in inputs.folders:
        if value.startswith(("http://", "https://")):
            yield value
            continue
        folder = Path(Path(file).parent, value.removeprefix("file://")).absolute()
        if not folder.is_dir():
            raise LockError(f"--find-links names {value}, which is no folder", where=file)
        yield str(folder)
