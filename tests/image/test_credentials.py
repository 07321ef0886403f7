from __future__ import annotations

import base64
import json
import os
import stat
from pathlib import Path

import pytest

from driftscan.errors import UsageError
from driftscan.image import credentials
from driftscan.image.credentials import Credentials, Lookup, find_credentials

REGISTRY = "registry.example"


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home folder and a runtime folder without any credentials."""
    for variable in ("REGISTRY_AUTH_FILE", "DOCKER_AUTH_CONFIG", "DOCKER_CONFIG", "XDG_CONFIG_HOME"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path / "run"))
    return tmp_path


def entry(username: str, password: str) -> dict[str, str]:
    return {"auth": base64.b64encode(f"{username}:{password}".encode()).decode()}


def write(path: Path, document: object) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(document if isinstance(document, str) else json.dumps(document))
    return path


def helper(folder: Path, name: str, script: str) -> None:
    program = write(folder / f"docker-credential-{name}", f"#!/bin/sh\n{script}\n")
    program.chmod(stat.S_IRWXU)


def found(repository: str = "team/shop", registry: str = REGISTRY) -> Lookup:
    return find_credentials(registry, repository)


def test_none_are_there() -> None:
    assert found() == Lookup(None, None)


@pytest.mark.parametrize("key", [REGISTRY, f"https://{REGISTRY}", f"https://{REGISTRY}/v2/"])
def test_docker_config(home: Path, key: str) -> None:
    write(home / ".docker/config.json", {"auths": {"other.example": entry("x", "y"), key: entry("anna", "se:cret")}})
    assert found() == Lookup(Credentials("anna", "se:cret"))


def test_the_default_registry_has_the_key_that_docker_login_writes(home: Path) -> None:
    write(home / ".docker/config.json", {"auths": {"https://index.docker.io/v1/": entry("anna", "secret")}})
    assert found(registry="docker.io") == Lookup(Credentials("anna", "secret"))
    assert found() == Lookup(None)


def test_another_port_is_another_registry(home: Path) -> None:
    write(home / ".docker/config.json", {"auths": {"registry.example:5000": entry("anna", "secret")}})
    assert found() == Lookup(None)


def test_docker_config_variable_wins_over_home(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(home / ".docker/config.json", {"auths": {REGISTRY: entry("home", "1")}})
    write(home / "other/config.json", {"auths": {REGISTRY: entry("other", "2")}})
    monkeypatch.setenv("DOCKER_CONFIG", str(home / "other"))
    assert found() == Lookup(Credentials("other", "2"))


@pytest.mark.parametrize("place", ["run/containers/auth.json", ".config/containers/auth.json"])
def test_auth_file_of_podman(home: Path, place: str) -> None:
    write(home / place, {"auths": {REGISTRY: entry("anna", "secret")}})
    assert found() == Lookup(Credentials("anna", "secret"))


def test_the_named_auth_file_wins(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(home / ".docker/config.json", {"auths": {REGISTRY: entry("docker", "1")}})
    path = write(home / "named.json", {"auths": {REGISTRY: entry("named", "2")}})
    monkeypatch.setenv("REGISTRY_AUTH_FILE", str(path))
    assert found() == Lookup(Credentials("named", "2"))


def test_a_named_auth_file_has_to_be_there(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(home / ".docker/config.json", {"auths": {REGISTRY: entry("docker", "1")}})
    monkeypatch.setenv("REGISTRY_AUTH_FILE", str(home / "gone.json"))
    with pytest.raises(UsageError) as caught:
        found()
    assert str(caught.value) == f"{home}/gone.json: REGISTRY_AUTH_FILE names a file that is not there"
    assert caught.value.hint == "name the file with the credentials, or unset the variable"


def test_a_named_folder_of_docker_may_be_missing(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_CONFIG", str(home / "gone"))
    assert found() == Lookup(None)


def test_auth_file_of_podman_where_there_is_no_session(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("XDG_RUNTIME_DIR")
    monkeypatch.setattr(credentials, "SYSTEM_FOLDER", home / "system")
    write(home / "system" / str(os.getuid()) / "auth.json", {"auths": {REGISTRY: entry("anna", "secret")}})
    assert found() == Lookup(Credentials("anna", "secret"))


def test_a_user_without_a_home(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "")
    write(home / "run/containers/auth.json", {"auths": {REGISTRY: entry("anna", "secret")}})
    assert found() == Lookup(Credentials("anna", "secret"))


def test_a_document_in_a_variable(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(home / ".docker/config.json", {"auths": {REGISTRY: entry("docker", "1")}})
    monkeypatch.setenv("DOCKER_AUTH_CONFIG", json.dumps({"auths": {REGISTRY: entry("variable", "2")}}))
    assert found() == Lookup(Credentials("variable", "2"))

    # It names no programs.
    monkeypatch.setenv("DOCKER_AUTH_CONFIG", json.dumps({"credsStore": "nowhere"}))
    assert found() == Lookup(Credentials("docker", "1"))
    monkeypatch.setenv("DOCKER_AUTH_CONFIG", "secret")
    (home / ".docker/config.json").unlink()
    problem = "DOCKER_AUTH_CONFIG: it cannot be read (Expecting value: line 1 column 1 (char 0))"
    assert found() == Lookup(None, problem)


def test_the_longest_namespace_wins(home: Path) -> None:
    auths = {REGISTRY: entry("all", "1"), f"{REGISTRY}/team": entry("team", "2"), f"{REGISTRY}/te": entry("te", "3")}
    write(home / ".config/containers/auth.json", {"auths": auths})
    assert found("team/shop") == Lookup(Credentials("team", "2"))
    assert found("shop") == Lookup(Credentials("all", "1"))


def test_identity_token(home: Path) -> None:
    write(home / ".docker/config.json", {"auths": {REGISTRY: {**entry("00000000", ""), "identitytoken": "refresh"}}})
    assert found() == Lookup(Credentials(identity_token="refresh"))


@pytest.mark.parametrize("setting", [{"credsStore": "box"}, {"credHelpers": {REGISTRY: "box"}}])
def test_credential_helper(home: Path, monkeypatch: pytest.MonkeyPatch, setting: dict[str, object]) -> None:
    helper(
        home / "bin", "box", f'read server; [ "$server" = {REGISTRY} ] && echo \'{{"Username":"anna","Secret":"s"}}\''
    )
    monkeypatch.setenv("PATH", str(home / "bin"), prepend=":")
    write(home / ".docker/config.json", setting)
    assert found() == Lookup(Credentials("anna", "s"))


def test_token_of_a_credential_helper(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    helper(home / "bin", "box", """echo '{"Username":"<token>","Secret":"refresh"}'""")
    monkeypatch.setenv("PATH", str(home / "bin"), prepend=":")
    write(home / ".docker/config.json", {"credsStore": "box"})
    assert found() == Lookup(Credentials(identity_token="refresh"))


def test_a_helper_that_is_not_installed_is_a_problem_and_the_search_goes_on(home: Path) -> None:
    config = write(home / ".docker/config.json", {"credsStore": "nowhere"})
    lookup = found()
    assert lookup.credentials is None
    assert lookup.problem is not None
    assert lookup.problem.startswith(f"{config}: Credentials store error: ")
    assert "docker-credential-nowhere not installed or not available in PATH" in lookup.problem

    write(home / ".config/containers/auth.json", {"auths": {REGISTRY: entry("anna", "secret")}})
    assert found() == Lookup(Credentials("anna", "secret"))


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("{", "it cannot be read (Expecting property name enclosed in double quotes: line 1 column 2 (char 1))"),
        ("[]", "it is not a JSON object"),
        ('{"auths": {"registry.example": {"auth": "!"}}}', "an entry is malformed (ValueError)"),
        ('{"auths": {"registry.example": {"auth": 7}}}', "an entry is malformed (TypeError)"),
        ('{"auths": [1]}', "an entry is malformed (AttributeError)"),
    ],
)
def test_a_damaged_file_is_a_problem(home: Path, text: str, problem: str) -> None:
    config = write(home / ".docker/config.json", text)
    assert found() == Lookup(None, f"{config}: {problem}")


def test_a_secret_is_not_shown() -> None:
    assert repr(Credentials("anna", "secret", "token")) == "Credentials(username='anna')"
