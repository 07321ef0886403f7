"""Manifests, indexes and configurations: what is read, and what two readers could see differently is refused."""

from __future__ import annotations

import json
import platform
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from driftscan.errors import DriftscanError, ImageError, LimitError, NotFoundError
from driftscan.image.limits import Limits
from driftscan.image.manifest import (
    Descriptor,
    Manifest,
    check_digest,
    check_platform,
    choose_platform,
    read_config,
    read_manifest,
)
from driftscan.image.strictjson import load_object
from driftscan.model.image import HistoryEntry, ImageConfig
from tests.builders.images import INDEX_TYPE, MANIFEST_TYPE, build, encode, entry, index, sha256

DIGEST = "sha256:" + "ab" * 32
LIMITS = Limits()
WHOLE: Mapping[str, Any] = json.loads(build().manifest)


def refused(data: bytes | Mapping[str, Any], media_type: str | None = None) -> str:
    with pytest.raises(ImageError) as caught:
        read_manifest(data if isinstance(data, bytes) else encode(data), LIMITS, media_type)
    return str(caught.value)


def test_a_manifest() -> None:
    image = build()
    found = read_manifest(image.manifest, LIMITS, MANIFEST_TYPE)
    assert isinstance(found, Manifest)
    assert (found.config.digest, found.config.size) == (sha256(image.config), len(image.config))
    assert [layer.digest for layer in found.layers] == [sha256(layer) for layer in image.layers]


def test_an_index() -> None:
    first, second = build(), build(platform="linux/arm64/v8")
    found = read_manifest(
        index(entry(first, platform="linux/amd64"), entry(second, "two", "linux/arm64/v8")), LIMITS, INDEX_TYPE
    )
    assert isinstance(found, tuple)
    assert not isinstance(found, Manifest)
    assert [(item.digest, item.platform) for item in found] == [
        (sha256(first.manifest), "linux/amd64"),
        (sha256(second.manifest), "linux/arm64/v8"),
    ]
    assert read_manifest(index(), LIMITS) == ()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"manifests": []}, "the manifest is an index and an image at once"),
        ({"mediaType": INDEX_TYPE}, "the manifest's media type does not fit its content"),
        ({"mediaType": 5}, "the manifest has no text in 'mediaType'"),
        ({"schemaVersion": 1}, "the manifest is not of schema version 2"),
        ({"schemaVersion": "2"}, "the manifest is not of schema version 2"),
        ({"config": None}, "the manifest's configuration has no valid size"),
        ({"config": []}, "the manifest has no object in 'config'"),
        ({"layers": {}}, "the manifest has no list in 'layers'"),
        ({"layers": ["x"]}, "the manifest has something other than an object in 'layers'"),
        ({"layers": [{"digest": DIGEST, "size": -1}]}, "a layer of the manifest has no valid size"),
        ({"layers": [{"digest": DIGEST, "size": 1.0}]}, "a layer of the manifest has no valid size"),
        ({"layers": [{"digest": DIGEST, "size": True}]}, "a layer of the manifest has no valid size"),
        ({"layers": [{"digest": DIGEST, "size": "9"}]}, "a layer of the manifest has no valid size"),
        ({"layers": [{"size": 1}]}, "a layer of the manifest has no text in 'digest'"),
        (
            {"layers": [{"digest": DIGEST, "size": 1, "platform": "linux"}]},
            "a layer of the manifest has no object in 'platform'",
        ),
        ({"Layers": []}, "the manifest has two keys that differ only in case"),
    ],
)
def test_what_is_no_manifest(change: dict[str, Any], message: str) -> None:
    assert refused({**WHOLE, **change}) == message


def test_media_types_must_agree() -> None:
    assert refused(build().manifest, "application/vnd.docker.distribution.manifest.v2+json") == (
        "the manifest says it is application/vnd.oci.image.manifest.v1+json, "
        "and was served as application/vnd.docker.distribution.manifest.v2+json"
    )
    plain = build(manifest={"mediaType": None}).manifest
    assert refused(plain, INDEX_TYPE) == "the manifest's media type does not fit its content"
    assert isinstance(read_manifest(plain, LIMITS, MANIFEST_TYPE), Manifest)
    assert isinstance(read_manifest(build().manifest, LIMITS, "text/plain"), Manifest)


@pytest.mark.parametrize(
    "digest",
    [
        "../x",
        "sha256:../../x",
        "sha256:" + "AB" * 32,
        "sha256:ab",
        "md5:" + "ab" * 16,
        "sha256" + "ab" * 32,
        DIGEST + "\n",
        "",
    ],
)
def test_digests_that_are_none(digest: str) -> None:
    with pytest.raises(ImageError) as caught:
        check_digest(digest, "the blob")
    assert str(caught.value) == f"the blob has the digest {digest!r}, which is none that can be verified"


def test_digests() -> None:
    assert check_digest(DIGEST, "the blob") == DIGEST
    with pytest.raises(ImageError, match=r"^the blob has a digest by sha512; only sha256 is supported$"):
        check_digest("sha512:" + "ab" * 64, "the blob")


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b'{"a": 1, "a": 1}', "the thing has a key twice"),
        (b'{"a": {"Size": 1, "size": 1}}', "the thing has two keys that differ only in case"),
        (b'{"a": [{"x": 1, "X": 1}]}', "the thing has two keys that differ only in case"),
        (b'{"a": NaN}', "the thing holds NaN, which is not JSON"),
        (b'{"a": -Infinity}', "the thing holds -Infinity, which is not JSON"),
        (b"[]", "the thing is not a JSON object"),
        (b'{"a": 1} x', "the thing is not valid JSON ("),
        (b'{"a": 1', "the thing is not valid JSON ("),
        (b'{"a": "\xff"}', "the thing is not valid JSON ("),
        (b'\xef\xbb\xbf{"a": 1}', "the thing is not valid JSON ("),
        (b'{"a": ' + b"9" * 5000 + b"}", "the thing is not valid JSON ("),
        (b"", "the thing is not valid JSON ("),
    ],
)
def test_json_that_is_not_strict(data: bytes, message: str) -> None:
    with pytest.raises(ImageError) as caught:
        load_object(data, "the thing", LIMITS)
    assert str(caught.value).startswith(message)


def test_names_that_the_author_chooses_may_differ_in_case() -> None:
    document = {"config": {"Labels": {"Name": "a", "name": "b"}, "Volumes": {"/A": {}, "/a": {}}}}
    assert load_object(encode(document), "the configuration", LIMITS) == document


@pytest.mark.parametrize("opening", ["[", '{"a":'])
def test_nesting_is_bounded(opening: str) -> None:
    with pytest.raises(LimitError) as caught:
        load_object(b'{"a":' + opening.encode() * 100_000, "the thing", LIMITS)
    assert str(caught.value) == "the nesting of the thing passes the limit `nesting` of 64"
    deep = b'{"a":' + b"[" * 63 + b"]" * 63 + b"}"
    assert load_object(deep, "the thing", LIMITS)
    assert load_object(b'{"a": "' + b"[" * 1000 + b'"}', "the thing", LIMITS)


def test_documents_are_bounded() -> None:
    with pytest.raises(LimitError) as caught:
        load_object(b" " * (4 << 20) + b"{}", "the thing", LIMITS)
    assert str(caught.value) == "the thing passes the limit `document` of 4,194,304"


def test_layers_are_bounded() -> None:
    many = {**WHOLE, "layers": [{"digest": DIGEST, "size": 1}] * 10_000}
    assert refused(many) == "the number of layers (10000) passes the limit `layers` of 256"
    with pytest.raises(LimitError, match="`layers`"):
        read_config(encode({"rootfs": {"diff_ids": [DIGEST] * 257}}), LIMITS)


def entries_for(*names: str) -> tuple[Descriptor, ...]:
    return tuple(Descriptor(f"sha256:{number:064x}", 1, "", name, {}) for number, name in enumerate(names))


ATTESTATION = Descriptor(DIGEST, 1, "", "unknown/unknown", {"vnd.docker.reference.type": "attestation-manifest"})


@pytest.mark.parametrize(
    ("machine", "wanted", "expected"),
    [
        ("x86_64", None, "linux/amd64"),
        ("AMD64", None, "linux/amd64"),
        ("aarch64", None, "linux/arm64/v8"),
        ("arm64", None, "linux/arm64/v8"),
        ("armv7l", None, "linux/arm/v7"),
        ("x86_64", "linux/arm/v6", "linux/arm/v6"),
        ("x86_64", "linux/arm64", "linux/arm64/v8"),
        ("x86_64", "windows/amd64", "windows/amd64"),
    ],
)
def test_the_platform_of_this_machine_or_the_one_asked_for(
    machine: str, wanted: str | None, expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(platform, "machine", lambda: machine)
    entries = (
        ATTESTATION,
        *entries_for("linux/arm/v7", "linux/arm/v6", "linux/amd64", "linux/arm64/v8", "windows/amd64"),
    )
    assert choose_platform(entries, wanted, "shop:1.4").platform == expected


def test_a_platform_that_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform, "machine", lambda: "x86_64")
    entries = (*entries_for("linux/s390x", "linux/arm64"), ATTESTATION)
    with pytest.raises(NotFoundError) as caught:
        choose_platform(entries, None, "shop:1.4")
    assert str(caught.value) == "shop:1.4: there is no image for linux/amd64; it has linux/arm64, linux/s390x"
    assert caught.value.hint == "choose one of them with --platform"

    with pytest.raises(NotFoundError, match="it has none that it names"):
        choose_platform((ATTESTATION,), None, "shop:1.4")


def test_the_only_image_is_taken_unless_another_platform_is_asked_for() -> None:
    (only,) = entries_for("linux/s390x")
    assert choose_platform((only, ATTESTATION), None, "shop:1.4") == only
    (unnamed,) = entries_for("")
    assert choose_platform((unnamed,), "linux/arm64", "shop:1.4") == unnamed
    with pytest.raises(NotFoundError, match="no image for linux/arm64; it has linux/s390x"):
        choose_platform((only,), "linux/arm64", "shop:1.4")


def test_the_configuration_has_the_last_word() -> None:
    config = ImageConfig(architecture="arm64", variant="v8")
    for wanted in (None, "linux/arm64", "linux/arm64/v8"):
        check_platform(config, wanted, "shop:1.4")
    with pytest.raises(NotFoundError) as caught:
        check_platform(config, "linux/amd64", "shop:1.4")
    assert str(caught.value) == "shop:1.4: the image is for linux/arm64/v8, not for linux/amd64"


def test_a_configuration() -> None:
    document = {
        "architecture": "arm64",
        "os": "linux",
        "variant": "v8",
        "config": {
            "Entrypoint": ["python"],
            "Cmd": ["-m", "shop"],
            "Env": ["PATH=/bin", "EMPTY=", "A=b=c", "BARE", "A=last"],
            "WorkingDir": "/srv",
            "User": "1000",
            "Labels": {"a": "b", "n": 5},
            "Healthcheck": {"Interval": 30000000000},
        },
        "rootfs": {"type": "layers", "diff_ids": [DIGEST]},
        "history": [{"created_by": "RUN x"}, {"created_by": "ENV", "empty_layer": True, "comment": "c"}],
    }
    assert read_config(encode(document), LIMITS) == ImageConfig(
        architecture="arm64",
        variant="v8",
        entrypoint=("python",),
        cmd=("-m", "shop"),
        env={"PATH": "/bin", "EMPTY": "", "A": "last", "BARE": ""},
        working_dir="/srv",
        user="1000",
        labels={"a": "b"},
        history=(HistoryEntry("RUN x"), HistoryEntry("ENV", True, "c")),
        diff_ids=(DIGEST,),
    )


def test_an_empty_configuration() -> None:
    nulls = {"config": {"Entrypoint": None, "Cmd": None, "Env": None, "Labels": None}, "history": None, "rootfs": None}
    assert read_config(b"{}", LIMITS) == read_config(encode(nulls), LIMITS) == ImageConfig()


@pytest.mark.parametrize(
    "document",
    [
        {"config": []},
        {"config": {"Env": "A=b"}},
        {"config": {"Cmd": [1]}},
        {"config": {"Entrypoint": "python"}},
        {"rootfs": {"diff_ids": ["sha256:x"]}},
        {"history": [5]},
        {"architecture": 5},
    ],
)
def test_a_configuration_of_the_wrong_types(document: dict[str, Any]) -> None:
    with pytest.raises(ImageError):
        read_config(encode(document), LIMITS)


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.just(DIGEST),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["digest", "size", "os", "Env"]), inner)
    ),
    max_leaves=8,
)
KEYS = st.sampled_from(
    [
        "manifests",
        "layers",
        "config",
        "schemaVersion",
        "mediaType",
        "rootfs",
        "history",
        "architecture",
        "os",
        "variant",
    ]
)


@given(st.dictionaries(KEYS, VALUES), st.booleans())
def test_any_document_is_read_or_refused(document: dict[str, Any], second: bool) -> None:
    data = encode({"schemaVersion": 2, **document} if second else document)
    for read in (read_manifest, read_config):
        try:
            read(data, LIMITS)
        except DriftscanError as error:
            message = error.message
        else:
            message = "fine"
        assert message
