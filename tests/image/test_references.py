from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from driftscan.errors import DriftscanError, ImageError, UsageError
from driftscan.image.references import (
    SCHEMES,
    ImageName,
    Target,
    masked,
    parse_image_name,
    parse_target,
    refuse_credentials,
)

DIGEST = "sha256:" + "a" * 64
LISTED = "docker:, podman:, registry:, docker-archive:, oci-archive:, oci:, dir:, env:, sbom:, inventory:"


@pytest.mark.parametrize(
    ("text", "target"),
    [
        ("docker:shop:1.4", Target("docker", "shop:1.4")),
        ("registry:127.0.0.1:5000/shop", Target("registry", "127.0.0.1:5000/shop")),
        ("oci:/images/shop:1", Target("oci", "/images/shop:1")),
        ("shop:1.4", Target(None, "shop:1.4")),
        ("localhost:5000/shop", Target(None, "localhost:5000/shop")),
        ("./image.tar", Target(None, "./image.tar")),
    ],
)
def test_a_known_scheme_is_split_off(text: str, target: Target) -> None:
    assert parse_target(text) == target


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        ("", "the target is empty", f"give an image name, a path, or one of {LISTED}"),
        ("docker:", "docker:: nothing stands behind docker:", "give a target such as docker:shop:1.4"),
        ("dir:", "dir:: nothing stands behind dir:", "give a target such as dir:PATH"),
        ("sbom:", "sbom:: nothing stands behind sbom:", "give a target such as sbom:PATH"),
        (
            "docker://registry.example/shop",
            "docker://registry.example/shop: the scheme docker: takes an image name, not a URL",
            "write docker:registry.example/shop",
        ),
        ("a\x1b[2J", "'a\\x1b[2J': the target is too long or holds control characters", None),
    ],
)
def test_what_is_no_target_says_what_is(text: str, message: str, hint: str | None) -> None:
    with pytest.raises(UsageError) as caught:
        parse_target(text)
    assert (str(caught.value), caught.value.hint) == (message, hint)


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("shop", ImageName("docker.io", "library/shop", "latest")),
        ("shop:1.4", ImageName("docker.io", "library/shop", "1.4")),
        ("team/shop:1.4", ImageName("docker.io", "team/shop", "1.4")),
        ("docker.io/shop", ImageName("docker.io", "library/shop", "latest")),
        ("index.docker.io/team/shop", ImageName("docker.io", "team/shop", "latest")),
        ("localhost/shop", ImageName("localhost", "shop", "latest")),
        ("registry.example/a/b/c:1", ImageName("registry.example", "a/b/c", "1")),
        ("registry.example:5000/shop", ImageName("registry.example:5000", "shop", "latest")),
        ("[::1]:5000/shop:x", ImageName("[::1]:5000", "shop", "x")),
        (f"shop@{DIGEST}", ImageName("docker.io", "library/shop", None, DIGEST)),
        (f"registry.example/shop:1@{DIGEST}", ImageName("registry.example", "shop", "1", DIGEST)),
    ],
)
def test_a_name_is_completed(text: str, name: ImageName) -> None:
    assert parse_image_name(text) == name
    assert parse_image_name(str(name)) == name


@pytest.mark.parametrize(
    "text",
    [
        "Shop",
        "shop:",
        "shop:a b",
        "a//b",
        "a/../b",
        "/a",
        "-a",
        "shop:" + "x" * 129,
        "registry.example/",
        "a?b",
        "a/b:1/c",
    ],
)
def test_what_is_no_image_name_is_refused(text: str) -> None:
    with pytest.raises(ImageError, match="this is not the name of an image"):
        parse_image_name(text)


@pytest.mark.parametrize("digest", ["sha256:../../etc", "md5:" + "a" * 32, "sha256:abc", "", "sha512:" + "a" * 128])
def test_a_digest_that_cannot_be_verified_is_refused(digest: str) -> None:
    with pytest.raises(ImageError, match="the image name has"):
        parse_image_name(f"shop@{digest}")


@pytest.mark.parametrize(
    ("text", "shown", "name"),
    [
        ("registry:bob:s3cr3t@127.0.0.1:5912/shop:1", "registry:***@127.0.0.1:5912/shop:1", "127.0.0.1:5912/shop:1"),
        ("docker:bob:s3cr3t@host.example/shop", "docker:***@host.example/shop", "host.example/shop"),
        ("docker://bob:s3cr3t@host.example/shop", "docker:***@host.example/shop", "host.example/shop"),
        ("podman:bob:s3c@r3t/x@host.example/shop", "podman:***@host.example/shop", "host.example/shop"),
        ("registry:bob:s3cr3t@host.example", "registry:***@host.example", "host.example"),
        ("registry:s3cr3t@host.example/shop", "registry:***@host.example/shop", "host.example/shop"),
        (
            f"registry:bob:s3cr3t@host.example/shop:1@{DIGEST}",
            f"registry:***@host.example/shop:1@{DIGEST}",
            f"host.example/shop:1@{DIGEST}",
        ),
    ],
)
def test_credentials_in_a_name_are_refused_and_not_shown(text: str, shown: str, name: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_target(text)
    host = name.partition("/")[0]
    assert str(caught.value) == f"{shown}: credentials do not belong into an image's name"
    assert caught.value.hint == (
        f"log in (`docker login {host}` or `skopeo login {host}`), and name it {text.partition(':')[0]}:{name}; "
        "docs/image-sources.md lists where credentials are looked for"
    )


def test_credentials_in_what_is_no_name_at_all_are_not_shown() -> None:
    with pytest.raises(UsageError) as caught:
        parse_target("registry:bob:s3cr3t@host.example/a\nb")
    assert "s3cr3t" not in str(caught.value)


@pytest.mark.parametrize(
    "text",
    [
        f"registry:shop:1@{DIGEST}",
        f"docker:host.example:5000/shop@{DIGEST}",
        f"host.example:5000/shop:1@{DIGEST}",
        "registry:host.example:5000/shop@sha256:short",
        "registry:host.example:5000/shop@sha512:" + "a" * 128,
        "shop:1@",
        "shop@latest",
        "dir:/mnt/a:b@c/root",
        "oci:a:b@c/layout",
        "./a:b@c/image.tar",
        "",
    ],
)
def test_what_has_no_credentials_is_shown_as_it_is(text: str) -> None:
    refuse_credentials(text)
    assert masked(text) == text


def test_the_default_registry_has_an_api_host_of_its_own() -> None:
    assert parse_image_name("shop").api_host == "registry-1.docker.io"
    assert parse_image_name("registry.example:1/shop").api_host == "registry.example:1"


@given(st.text(max_size=200))
def test_any_text_is_a_target_or_an_error_of_ours(text: str) -> None:
    try:
        scheme, rest = parse_target(text)
        assert scheme is None or scheme in SCHEMES
        name = parse_image_name(rest)
    except DriftscanError:
        return
    assert parse_image_name(str(name)) == name
    assert ".." not in name.repository.split("/")
