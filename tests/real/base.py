"""The base image of the real tests: a minimal system of this machine's own distribution with Python, built once."""

from __future__ import annotations

import fcntl
import hashlib
import os
import platform
import re
import shutil
import ssl
import tempfile
from pathlib import Path
from typing import NamedTuple

from tests.real.daemons import Docker, run, tool, unavailable

PACKAGES = ("python3", "python3-venv", "ca-certificates")
BUNDLE = "etc/ssl/certs/ca-certificates.crt"
OLDER = {"bookworm": "bullseye", "trixie": "bullseye", "jammy": "focal", "noble": "focal"}
"""An older release (glibc 2.31) that the mirror of each release still has."""


class Mirror(NamedTuple):
    """Where this machine gets its distribution's packages: URL and suite."""

    url: str
    suite: str


def configured_mirror(etc: Path = Path("/etc")) -> Mirror | None:
    """The mirror of this machine's own release, from its apt sources of either format."""
    release = platform.freedesktop_os_release().get("VERSION_CODENAME", "")
    apt = etc / "apt"
    files = [apt / "sources.list", *sorted(apt.glob("sources.list.d/*"))]
    text = "\n\n".join(file.read_text(errors="replace") for file in files if file.is_file())
    for stanza in re.split(r"\n\s*\n", text):
        fields = dict(re.findall(r"^(\w[\w-]*):[ \t]*(.*)$", stanza, re.MULTILINE))
        if release in fields.get("Suites", "").split() and fields.get("URIs"):
            return Mirror(fields["URIs"].split()[0], release)
    line = re.search(rf"^deb\s+(?:\[[^]]*\]\s+)?(\S+)\s+{re.escape(release)}\s", text, re.MULTILINE)
    return Mirror(line[1], release) if line else None


def certificates() -> Path | None:
    """The bundle of authorities that this machine trusts."""
    paths = ssl.get_default_verify_paths()
    candidates = (os.environ.get("SSL_CERT_FILE"), paths.cafile, f"/{BUNDLE}")
    return next((Path(path) for path in candidates if path and Path(path).is_file()), None)


def required_mirror(*, older: bool = False) -> Mirror:
    """The mirror of this machine's release, or of an older one; without it the test cannot run."""
    mirror = configured_mirror()
    if mirror is None:
        unavailable("this machine's apt sources name no mirror of its own release")
    if not older:
        return mirror
    if mirror.suite not in OLDER:
        unavailable(f"no older release is known whose packages the mirror of {mirror.suite} has")
    return Mirror(mirror.url, OLDER[mirror.suite])


def base_archive(cache: Path, mirror: Mirror) -> Path:
    """A tar of the base system in `cache`, made by debootstrap if no process of any run made it before."""
    bundle = certificates()
    recipe = f"{mirror} {PACKAGES} 1".encode() + (bundle.read_bytes() if bundle else b"")
    archive = cache / f"base-{mirror.suite}-{hashlib.sha256(recipe).hexdigest()[:16]}.tar"
    cache.mkdir(parents=True, exist_ok=True)
    with (cache / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not archive.exists():
            _bootstrap(mirror, bundle, archive)
    return archive


def _bootstrap(mirror: Mirror, bundle: Path | None, archive: Path) -> None:
    with tempfile.TemporaryDirectory(prefix="driftscan-base-") as folder:
        root = Path(folder) / "root"
        include = f"--include={','.join(PACKAGES)}"
        run([tool("debootstrap"), "--variant=minbase", include, mirror.suite, root, mirror.url])
        for waste in ("var/cache/apt/archives", "var/lib/apt/lists", "usr/share/doc", "usr/share/man"):
            shutil.rmtree(root / waste, ignore_errors=True)
            (root / waste).mkdir(parents=True)
        if bundle:
            shutil.copyfile(bundle, root / BUNDLE)
        partial = archive.with_suffix(".partial")
        run(["tar", "--numeric-owner", "-C", root, "-cf", partial, "."])
        partial.rename(archive)


def _environment() -> dict[str, str]:
    """What installers inside a build need to reach the index that this machine uses."""
    env = dict.fromkeys(("SSL_CERT_FILE", "PIP_CERT", "REQUESTS_CA_BUNDLE"), f"/{BUNDLE}")
    for variable in ("PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL", "PIP_TRUSTED_HOST", "UV_INDEX_URL", "UV_DEFAULT_INDEX"):
        if value := os.environ.get(variable):
            env[variable] = value
    pip = shutil.which("pip3") or shutil.which("pip")
    for line in run([pip, "config", "list"]).splitlines() if pip else ():
        key, _, value = line.partition("=")
        if key in ("global.index-url", "global.extra-index-url", "global.trusted-host"):
            env.setdefault("PIP_" + key.removeprefix("global.").replace("-", "_").upper(), value.strip("'\""))
    if "PIP_INDEX_URL" in env:
        env.setdefault("UV_DEFAULT_INDEX", env["PIP_INDEX_URL"])
    return env


def import_base(docker: Docker, cache: Path, tag: str = "driftscan-base:latest", *, older: bool = False) -> str:
    """Make the base image of this machine's release, or of an older one, known to a daemon; returns its tag.

    `PATH`, the certificate bundle and the package index are in its environment; its Python is `/usr/bin/python3`.
    """
    env = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", **_environment()}
    changes = [part for key, value in env.items() for part in ("--change", f'ENV {key}="{value}"')]
    docker("import", *changes, "--change", 'CMD ["python3"]', base_archive(cache, required_mirror(older=older)), tag)
    return tag
