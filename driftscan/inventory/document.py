"""What `driftscan inspect --format json` wrote (`driftscan.inventory/1`), as the inventory that it was made of.

Compiled files are not in the document whole: without their symbols nothing can be said of them, so they are left out,
and that stands under `unchecked`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import NamedTuple

from packaging.tags import Tag
from packaging.utils import canonicalize_name

from driftscan.errors import ImageError
from driftscan.model.image import HistoryEntry, ImageConfig, LayerId
from driftscan.model.inventory import (
    CondaPackage,
    Cuda,
    CudaBuild,
    DirectUrl,
    Distribution,
    DistributionForm,
    Environment,
    EnvironmentKind,
    FileProblem,
    FileProblemKind,
    Interpreter,
    Inventory,
    Leftover,
    OsPackage,
    WheelFacts,
)
from driftscan.model.lock import Hash, Unchecked
from driftscan.model.target import Libc, Target
from driftscan.sbom.reading import member, objects, text, texts

SCHEMA = "driftscan.inventory/1"
_LIBC = re.compile(r"(glibc|musl)(?: (\d{1,4})\.(\d{1,4}))?")


class Document(NamedTuple):
    """An inventory, and the image it is of: digest of its configuration, `os/architecture[/variant]`."""

    inventory: Inventory
    digest: str | None
    platform: str | None


def parse(document: Mapping[str, object]) -> Document:
    """Raises ImageError where it is another document, or says something that no inventory does."""
    if document.get("schema") != SCHEMA:
        raise ImageError(f"it is no {SCHEMA}", hint="`driftscan inspect --format json` writes one")
    target = member(document, "target")
    environments = tuple(_environment(each) for each in objects(document, "environments"))
    cuda = member(document, "cuda")
    default = _number(document, "default_environment")
    if default is not None and default >= len(environments):
        raise ImageError("its default environment is none that it has")
    found = Inventory(
        config=_config(member(document, "config")),
        layers=tuple(layer for each in objects(document, "layers") if (layer := _layer(each)) is not None),
        os_name=_optional(document, "os"),
        environments=environments,
        default=default,
        os_packages=tuple(
            OsPackage(name=text(each, "name"), version=text(each, "version"), manager=text(each, "manager"))
            for each in objects(document, "os_packages")
        ),
        leftovers=tuple(Leftover(text(each, "path"), text(each, "why")) for each in objects(document, "leftovers")),
        cuda=Cuda(_optional(cuda, "toolkit"), _optional(cuda, "declared"), _optional(cuda, "driver_requirement")),
        unchecked=tuple(_unchecked(document)),
    )
    return Document(found, _optional(target, "digest"), _optional(target, "platform"))


def _optional(holder: Mapping[str, object], key: str) -> str | None:
    return text(holder, key) or None


def _number(holder: Mapping[str, object], key: str) -> int | None:
    value = holder.get(key)
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None


def _flag(holder: Mapping[str, object], key: str) -> bool:
    return holder.get(key) is True


def _mapping(holder: Mapping[str, object], key: str) -> Mapping[str, str]:
    found = member(holder, key)
    return MappingProxyType({name: value for name, value in found.items() if isinstance(value, str)})


def _unchecked(holder: Mapping[str, object]) -> Iterator[Unchecked]:
    return (Unchecked(text(each, "what"), text(each, "why")) for each in objects(holder, "unchecked"))


def _config(found: Mapping[str, object]) -> ImageConfig:
    return ImageConfig(
        architecture=text(found, "architecture"),
        os=text(found, "os") or "linux",
        variant=text(found, "variant"),
        entrypoint=tuple(texts(found, "entrypoint")),
        cmd=tuple(texts(found, "cmd")),
        env=_mapping(found, "env"),
        working_dir=text(found, "working_dir") or "/",
        user=text(found, "user"),
        labels=_mapping(found, "labels"),
        history=tuple(
            HistoryEntry(text(each, "created_by"), _flag(each, "empty_layer"), text(each, "comment"))
            for each in objects(found, "history")
        ),
        diff_ids=tuple(texts(found, "diff_ids")),
    )


def _layer(found: Mapping[str, object]) -> LayerId | None:
    index = _number(found, "index")
    return LayerId(index, _optional(found, "diff_id"), _optional(found, "created_by")) if index is not None else None


def _environment(found: Mapping[str, object]) -> Environment:
    kind = text(found, "kind")
    if kind not in set(EnvironmentKind):
        raise ImageError(f"an environment of the kind {kind!r} is not known")
    unchecked = tuple(_unchecked(found))
    if found.get("natives"):
        why = "an inventory does not hold their symbols; compare with the image itself"
        unchecked += (Unchecked("compiled code of what is installed", why),)
    return Environment(
        path=text(found, "path"),
        kind=EnvironmentKind(kind),
        interpreter=_interpreter(member(found, "interpreter")),
        target=_target(member(found, "target")),
        search_path=tuple(texts(found, "search_path")),
        distributions=tuple(_distribution(each) for each in objects(found, "distributions")),
        conda=tuple(_conda(each) for each in objects(found, "conda")),
        problems=tuple(_problem(each) for each in objects(found, "problems")),
        cuda=tuple(
            CudaBuild(
                canonicalize_name(text(each, "distribution")),
                text(each, "version"),
                text(each, "cuda"),
                text(each, "evidence"),
            )
            for each in objects(found, "cuda")
        ),
        chosen_because=_optional(found, "chosen_because"),
        unchecked=unchecked,
    )


def _interpreter(found: Mapping[str, object]) -> Interpreter:
    return Interpreter(
        executable=text(found, "executable"),
        implementation=text(found, "implementation") or "cpython",
        version=_optional(found, "version"),
        soabi=_optional(found, "soabi"),
        gil_disabled=_flag(found, "gil_disabled"),
        debug=_flag(found, "debug"),
        machine=_optional(found, "machine"),
        bits=_number(found, "bits"),
        libc=_libc(found),
        stdlib=_optional(found, "stdlib"),
        evidence=tuple(texts(found, "evidence")),
    )


def _libc(found: Mapping[str, object]) -> Libc | None:
    match = _LIBC.fullmatch(text(found, "libc"))
    if match is None:
        return None
    return Libc(match[1], (int(match[2]), int(match[3])) if match[2] else None)


def _target(found: Mapping[str, object]) -> Target:
    tags = tuple(_tag(each) for each in texts(found, "tags")) if "tags" in found else None
    return Target(markers=_mapping(found, "markers"), tags=tags, machine=_optional(found, "machine"), libc=_libc(found))


def _tag(written: str) -> Tag:
    parts = written.split("-")
    if len(parts) != 3:
        raise ImageError(f"{written[:60]!r} is no tag of a wheel")
    return Tag(*parts)


def _distribution(found: Mapping[str, object]) -> Distribution:
    form = text(found, "form")
    if form not in set(DistributionForm):
        raise ImageError(f"a distribution of the form {form!r} is not known")
    requested = found.get("requested")
    return Distribution(
        name=canonicalize_name(text(found, "name")),
        version=text(found, "version"),
        path=text(found, "path"),
        site=text(found, "site"),
        form=DistributionForm(form),
        requires=tuple(texts(found, "requires")),
        requires_python=_optional(found, "requires_python"),
        provides_extras=frozenset(texts(found, "provides_extras")),
        installer=_optional(found, "installer"),
        requested=requested if isinstance(requested, bool) else None,
        direct_url=_direct_url(member(found, "direct_url")) if "direct_url" in found else None,
        wheel=_wheel(member(found, "wheel")) if "wheel" in found else None,
        built_on_the_spot=_optional(found, "built_on_the_spot"),
        has_record=_flag(found, "has_record"),
        record_files=_number(found, "record_files") or 0,
        owner=_optional(found, "owner"),
        shadowed_by=_optional(found, "shadowed_by"),
        conda_name=_optional(found, "conda_name"),
        layer=_layer(member(found, "layer")),
    )


def _direct_url(found: Mapping[str, object]) -> DirectUrl:
    return DirectUrl(
        url=text(found, "url"),
        kind=text(found, "kind"),
        commit=_optional(found, "commit"),
        requested_revision=_optional(found, "requested_revision"),
        editable=_flag(found, "editable"),
        hashes=tuple(_hash(each) for each in texts(found, "hashes")),
        subdirectory=_optional(found, "subdirectory"),
    )


def _hash(written: str) -> Hash:
    algorithm, _, digest = written.partition(":")
    return Hash(algorithm, digest)


def _wheel(found: Mapping[str, object]) -> WheelFacts:
    is_pure = _flag(found, "root_is_purelib")
    return WheelFacts(frozenset(_tag(each) for each in texts(found, "tags")), text(found, "build"), is_pure)


def _conda(found: Mapping[str, object]) -> CondaPackage:
    return CondaPackage(
        name=text(found, "name"),
        version=text(found, "version"),
        build=text(found, "build"),
        channel=text(found, "channel"),
        subdir=text(found, "subdir"),
        filename=text(found, "filename"),
        url=text(found, "url"),
        path=text(found, "path"),
        md5=_optional(found, "md5"),
        sha256=_optional(found, "sha256"),
        depends=tuple(texts(found, "depends")),
        layer=_layer(member(found, "layer")),
    )


def _problem(found: Mapping[str, object]) -> FileProblem:
    kind = text(found, "kind")
    if kind not in set(FileProblemKind):
        raise ImageError(f"a problem of the kind {kind!r} is not known")
    return FileProblem(
        kind=FileProblemKind(kind),
        path=text(found, "path"),
        distribution=_optional(found, "distribution"),
        expected=_optional(found, "expected"),
        actual=_optional(found, "actual"),
        layer=_layer(member(found, "layer")),
    )
