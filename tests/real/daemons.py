"""Real container tools for tests: a Docker daemon, a Podman service and a registry, each in its own folder.

Nothing is installed and nothing of the machine's own is used: every daemon has its own socket or port and its own
storage, and is stopped by its process id.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import NoReturn

import pytest

START_SECONDS = 60
BUILD_SECONDS = 1200


def tool(name: str) -> str:
    """The program's path; without it the test is skipped, and fails where CI promises that everything is there."""
    path = shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/local/sbin:/usr/sbin:/sbin")
    if path is None:
        unavailable(f"{name} is not installed")
    return path


def unavailable(reason: str) -> NoReturn:
    if os.environ.get("CI") == "true":
        pytest.fail(f"{reason}, and CI must run these tests")
    pytest.skip(reason)


def run(command: Sequence[str | Path], *, env: Mapping[str, str] | None = None, stdin: bytes | None = None) -> str:
    """Standard output of a command that has to succeed."""
    done = subprocess.run(
        [str(part) for part in command],
        env={**os.environ, **(env or {})},
        input=stdin,
        stdin=None if stdin is not None else subprocess.DEVNULL,
        capture_output=True,
        timeout=BUILD_SECONDS,
    )
    output = done.stdout.decode(errors="replace")
    if done.returncode:
        shown = " ".join(str(part) for part in command)
        raise AssertionError(f"{shown}\n{output}\n{done.stderr.decode(errors='replace')}")
    return output


@contextmanager
def running(command: Sequence[str | Path], log: Path, ready: Callable[[], bool]) -> Iterator[int]:
    """A daemon from its first answer to its end; yields its process id."""
    with log.open("wb") as output:
        process = subprocess.Popen(
            [str(part) for part in command], stdin=subprocess.DEVNULL, stdout=output, stderr=output
        )
    try:
        _wait(process, log, ready)
        yield process.pid
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait(process: subprocess.Popen[bytes], log: Path, ready: Callable[[], bool]) -> None:
    for _ in range(START_SECONDS * 10):
        if process.poll() is not None:
            break
        if ready():
            return
        time.sleep(0.1)
    raise AssertionError(f"{process.args!r} did not start:\n{log.read_text(errors='replace')}")


def unmount_below(folder: Path) -> None:
    """Let go of what stopped daemons leave mounted in their folder, so that it can be removed."""
    mounts = [line.split()[1] for line in Path("/proc/self/mounts").read_text().splitlines()]
    for mount in reversed([mount for mount in mounts if Path(mount).is_relative_to(folder)]):
        run(["umount", "--lazy", mount])


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
        assert isinstance(port, int)
        return port


def answers(address: str | tuple[str, int]) -> bool:
    """Whether something accepts connections on a unix socket or a TCP port."""
    family = socket.AF_UNIX if isinstance(address, str) else socket.AF_INET
    with socket.socket(family) as probe:
        return probe.connect_ex(address) == 0


Context = Mapping[str, str | bytes] | Path
"""A build context: a folder, or the files of one by relative path."""


def write_context(folder: Path, context: Context, dockerfile: str) -> Path:
    """Fill `folder` with the build context; the Dockerfile is returned and stands outside it."""
    root = folder / "context"
    if isinstance(context, Path):
        shutil.copytree(context, root, symlinks=True)
    else:
        root.mkdir()
        for path, data in context.items():
            target = root / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(data.encode() if isinstance(data, str) else data)
    recipe = folder / "Dockerfile"
    recipe.write_text(dockerfile)
    return recipe


@dataclass
class Docker:
    """A Docker daemon of the test's own. `host` goes into DOCKER_HOST."""

    host: str
    folder: Path
    _images: int = field(default=0, init=False)

    @property
    def socket(self) -> str:
        return self.host.removeprefix("unix://")

    def __call__(self, *arguments: str | Path, stdin: bytes | None = None) -> str:
        """Run `docker` against this daemon with no configuration of the machine's."""
        env = {"DOCKER_HOST": self.host, "DOCKER_BUILDKIT": "0", "DOCKER_CONFIG": str(self.folder / "config")}
        return run([tool("docker"), *arguments], env=env, stdin=stdin)

    def build(
        self, dockerfile: str, context: Context | None = None, *, tag: str | None = None, target: str | None = None
    ) -> str:
        """Build an image with the machine's network and proxies; returns its tag.

        What is the same between two builds comes from the daemon's cache.
        """
        self._images += 1
        name = tag or f"driftscan-test-{os.getpid()}-{self._images}:latest"
        folder = self.folder / f"build-{self._images}"
        folder.mkdir()
        recipe = write_context(folder, context or {}, dockerfile)
        options = ["--target", target] if target else []
        for proxy in ("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY"):
            if value := os.environ.get(proxy) or os.environ.get(proxy.lower()):
                options += ["--build-arg", f"{proxy}={value}"]
        self("build", "--network", "host", "--tag", name, *options, "--file", recipe, folder / "context")
        shutil.rmtree(folder)
        return name

    def save(self, reference: str, path: Path) -> Path:
        """`docker save` into a file."""
        self("save", "--output", path, reference)
        return path

    def image_id(self, reference: str) -> str:
        return self("image", "inspect", "--format", "{{.Id}}", reference).strip()

    def diff_ids(self, reference: str) -> tuple[str, ...]:
        return tuple(json.loads(self("image", "inspect", "--format", "{{json .RootFS.Layers}}", reference)))

    def push(self, reference: str, name: str) -> str:
        """Push an image under another name (`127.0.0.1:5000/shop:1`); returns the manifest's digest."""
        self("tag", reference, name)
        output = self("push", name)
        return next(word for word in output.split() if word.startswith("sha256:"))


@dataclass(frozen=True)
class Podman:
    """A Podman service of the test's own. `host` goes into CONTAINER_HOST."""

    host: str

    @property
    def socket(self) -> str:
        return self.host.removeprefix("unix://")

    def __call__(self, *arguments: str | Path, stdin: bytes | None = None) -> str:
        return run([tool("podman"), "--url", self.host, *arguments], stdin=stdin)

    def load(self, archive: Path) -> None:
        """`podman load` of a `docker save` archive."""
        self("load", "--input", archive)


@dataclass(frozen=True)
class Registry:
    """An OCI registry on a loopback port: `url` is `host:port` as it stands in an image reference."""

    url: str
    username: str | None = None
    password: str | None = None

    def copy_from(self, source: str, name: str, *options: str) -> str:
        """`skopeo copy SOURCE` into this registry as `name`; returns the full reference."""
        credentials = ["--dest-creds", f"{self.username}:{self.password}"] if self.username else []
        policy = ["--insecure-policy", "copy", "--dest-tls-verify=false", "--src-tls-verify=false"]
        run([tool("skopeo"), *policy, *credentials, *options, source, f"docker://{self.url}/{name}"])
        return f"{self.url}/{name}"


@contextmanager
def docker_daemon(folder: Path) -> Iterator[Docker]:
    """A Docker daemon on the classic overlay2 store, without a bridge or firewall rules."""
    tool("docker")
    if os.geteuid() != 0:
        unavailable("only root can start a Docker daemon")
    path = folder / "docker.sock"
    command: list[str | Path] = [tool("dockerd"), "--iptables=false", "--bridge=none", "--storage-driver=overlay2"]
    command += ["-H", f"unix://{path}", "--data-root", folder / "data", "--exec-root", folder / "exec"]
    command += ["-p", folder / "docker.pid"]
    with running(command, folder / "dockerd.log", lambda: answers(str(path))):
        yield Docker(f"unix://{path}", folder)


@contextmanager
def podman_service(folder: Path) -> Iterator[Podman]:
    """A Podman API service with its own storage."""
    path = folder / "podman.sock"
    command: list[str | Path] = [tool("podman"), "--root", folder / "root", "--runroot", folder / "run"]
    command += ["system", "service", "--time=0", f"unix://{path}"]
    with running(command, folder / "podman.log", lambda: answers(str(path))):
        yield Podman(f"unix://{path}")


_HTPASSWD = ("reader", "correct-horse", "$2b$05$abcdefghijklmnopqrstuuZ0Fx87Pb/Aqb0E90lfvCwzXnaFKUHpS")
"""A user of the private registry: name, password and the password's bcrypt hash."""


@contextmanager
def registry(
    folder: Path, *, private: bool = False, certificate: Path | None = None, key: Path | None = None
) -> Iterator[Registry]:
    """A registry on a free loopback port; a private one asks for basic authentication, one with a certificate
    speaks TLS only.
    """
    port = free_port()
    http: dict[str, object] = {"addr": f"127.0.0.1:{port}", "secret": "unused"}
    if certificate:
        http["tls"] = {"certificate": str(certificate), "key": str(key)}
    config: dict[str, object] = {
        "version": "0.1",
        "log": {"level": "warn"},
        "storage": {"filesystem": {"rootdirectory": str(folder / "registry")}},
        "http": http,
    }
    username, password, digest = _HTPASSWD
    if private:
        (folder / "htpasswd").write_text(f"{username}:{digest}\n")
        config["auth"] = {"htpasswd": {"realm": "driftscan", "path": str(folder / "htpasswd")}}
    # JSON is YAML.
    (folder / "config.yml").write_text(json.dumps(config))
    command: list[str | Path] = [tool("docker-registry"), "serve", folder / "config.yml"]
    with running(command, folder / "registry.log", lambda: answers(("127.0.0.1", port))):
        url = f"127.0.0.1:{port}"
        yield Registry(url, username, password) if private else Registry(url)
