"""Rebuild the images of the samples: real `docker build`s, made small enough for git.

    PYTHONPATH=samples python -m builder.images debian-python:12

The argument is a base image with Python in the daemon of DOCKER_HOST, for example a debootstrap with `python3` and
`python3-venv`, imported with `docker import`. Each sample's Dockerfile is built on it with the installers added; then
the base layers are replaced by one layer that keeps only what tells what the base is: os-release, the dpkg data of
Python and the C library, and the interpreter and the libraries it needs with their code blanked out. All other
layers stay as the build made them, except that the hosts of package indexes and of the conda channel that served
the build become `files.example`, `index.example` and `conda.example`. The result is `image.tar` beside the
Dockerfile, an OCI archive.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import TypeAlias

from builder.channel import make_channel
from elftools.elf.elffile import ELFFile

SAMPLES = Path(__file__).parent.parent
CHANNEL = "https://conda.example/lab"
INSTALLERS = """\
FROM {base}
COPY ca.crt /etc/ssl/certs/ca-certificates.crt
ENV PIP_CERT=/etc/ssl/certs/ca-certificates.crt SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt
RUN python3 -m venv /opt/installers \\
    && /opt/installers/bin/pip install --no-cache-dir --upgrade pip uv py-rattler \\
    && ln -s /opt/installers/bin/pip /opt/installers/bin/uv /usr/local/bin/
COPY rattler_create.py /usr/local/bin/rattler-create
RUN sed -i '1i #!/opt/installers/bin/python' /usr/local/bin/rattler-create && chmod +x /usr/local/bin/rattler-create
"""
BUILD_ONLY_ENV = ("PIP_CERT=", "SSL_CERT_FILE=")
KEPT = re.compile(
    r"etc/os-release|usr/lib/os-release|bin|sbin|lib|lib64"
    r"|usr/bin/python3(\.\d+)?"
    r"|usr/lib/python3(\.\d+)?|usr/lib/python3\.\d+/(_sysconfigdata[^/]*\.py|site\.py|os\.py)"
    r"|usr/lib/python3/dist-packages"
    r"|usr/lib/[a-z0-9_]+-linux-gnu/lib(c|m|z|dl|rt|util|pthread|expat|gcc_s|stdc\+\+)\.so\.[^/]*"
    r"|lib(64)?/ld-linux[^/]*|usr/lib(64)?/[^/]*/?ld-linux[^/]*"
    r"|var/lib/dpkg/info/(python3[^/]*|libpython3[^/]*|libc6[^/]*)\.list"
)
DPKG_PACKAGES = re.compile(r"Package: (python3|libpython3|libc6|base-files)")
HOLLOW = re.compile(r"usr/bin/python3\.\d+|.*/lib[a-z_+]+\.so\.[^/]*|.*/ld-linux[^/]*")
TELLING_SECTIONS = (
    *(".interp", ".dynamic", ".dynstr", ".dynsym", ".hash", ".gnu.hash"),
    *(".gnu.version", ".gnu.version_r", ".gnu.version_d"),
)
EPOCH = 1_767_225_600
Image: TypeAlias = tuple[dict[str, object], list[bytes]]
"""Configuration and uncompressed layers."""


def docker(*arguments: str) -> bytes:
    environment = {**os.environ, "DOCKER_BUILDKIT": "0"}
    return subprocess.run(("docker", *arguments), check=True, stdout=subprocess.PIPE, env=environment).stdout


def build_installers(base: str) -> str:
    with tempfile.TemporaryDirectory() as context:
        bundle = Path(os.environ.get("SSL_CERT_FILE", "/etc/ssl/certs/ca-certificates.crt"))
        (Path(context) / "ca.crt").write_bytes(bundle.read_bytes())
        shutil.copy(Path(__file__).with_name("rattler_create.py"), context)
        (Path(context) / "Dockerfile").write_text(INSTALLERS.format(base=base))
        docker("build", "--network", "host", "--tag", "driftscan-samples-base", context)
    return "driftscan-samples-base"


def blank_code(data: bytes) -> bytes:
    """Keep of an ELF file what tells what it is: headers, dynamic linking tables, version symbol and banner."""
    elf = ELFFile(io.BytesIO(data))
    kept = [(0, elf["e_phoff"] + elf["e_phnum"] * elf["e_phentsize"])]
    telling = (section for section in elf.iter_sections() if section.name in TELLING_SECTIONS)
    kept += [(section["sh_offset"], section["sh_size"]) for section in telling]
    symbols = elf.get_section_by_name(".dynsym")
    for symbol in symbols.get_symbol_by_name("Py_Version") or ():
        kept += [(offset, 8) for offset in elf.address_offsets(symbol["st_value"])]
    kept += [(match.start(), len(match.group())) for match in re.finditer(rb"GNU C Library [^\n]*\n", data)]
    blanked = bytearray(len(data))
    for start, size in kept:
        blanked[start : start + size] = data[start : start + size]
    # The section table goes too: it describes what is no longer there.
    blanked[0x28:0x30] = bytes(8)
    blanked[0x3C:0x40] = bytes(4)
    return bytes(blanked)


def filter_status(data: bytes) -> bytes:
    paragraphs = data.decode().split("\n\n")
    return "\n\n".join(p for p in paragraphs if DPKG_PACKAGES.match(p)).encode() + b"\n"


def hollow_base(image: str) -> bytes:
    """The flattened file system of `image`, filtered, as an uncompressed layer."""
    container = docker("create", image, "true").decode().strip()
    try:
        exported = docker("export", container)
    finally:
        docker("rm", container)
    out = io.BytesIO()
    with (
        tarfile.open(fileobj=io.BytesIO(exported)) as source,
        tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as layer,
    ):
        for member in source:
            name = member.name.rstrip("/")
            status = name == "var/lib/dpkg/status"
            if not (status or KEPT.fullmatch(name)):
                continue
            data = source.extractfile(member).read() if member.isreg() else None  # type: ignore[union-attr]
            if data is not None:
                data = filter_status(data) if status else blank_code(data) if HOLLOW.fullmatch(name) else data
                member.size = len(data)
            member.mtime, member.pax_headers = EPOCH, {}
            layer.addfile(member, io.BytesIO(data) if data is not None else None)
    return out.getvalue()


def saved_image(tag: str) -> Image:
    """An image in the daemon."""
    with tarfile.open(fileobj=io.BytesIO(docker("save", tag))) as archive:

        def read(name: str) -> bytes:
            file = archive.extractfile(name)
            assert file is not None
            return file.read()

        manifest = json.loads(read("manifest.json"))[0]
        return json.loads(read(manifest["Config"])), [read(name) for name in manifest["Layers"]]


def without_hosts(layer: bytes, channel: str) -> bytes:
    """The layer with the hosts of package indexes and of `channel` replaced, as in the samples' own locks."""
    out = io.BytesIO()
    with (
        tarfile.open(fileobj=io.BytesIO(layer)) as source,
        tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as target,
    ):
        for member in source:
            file = source.extractfile(member) if member.isreg() else None
            data = file.read() if file else None
            if data is not None and re.search(r"\.lock$|/conda-meta/([^/]+\.json|history)$", member.name):
                data = example_hosts(data.decode(), channel).encode()
                member.size = len(data)
            member.mtime, member.pax_headers = EPOCH, {}
            target.addfile(member, io.BytesIO(data) if data is not None else None)
    return out.getvalue()


def example_hosts(text: str, channel: str) -> str:
    """Replace hosts: of index URLs by `index.example`, of file URLs by `files.example`, and the channel's."""
    text = text.replace(channel, CHANNEL)
    text = re.sub(r'(url = ")https://[^/"]+/', r"\1https://files.example/", text)
    return re.sub(r'(registry = ")https://[^/"]+/', r"\1https://index.example/", text)


def digest(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def descriptor(media_type: str, data: bytes) -> dict[str, object]:
    return {"mediaType": f"application/vnd.oci.image.{media_type}", "digest": digest(data), "size": len(data)}


def oci_members(config: dict[str, object], layers: list[bytes], tag: str) -> Iterator[tuple[str, bytes]]:
    packed = [gzip.compress(layer, 9, mtime=0) for layer in layers]
    raw_config = json.dumps(config).encode()
    manifest = json.dumps(
        {
            "schemaVersion": 2,
            "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "config": descriptor("config.v1+json", raw_config),
            "layers": [descriptor("layer.v1.tar+gzip", blob) for blob in packed],
        }
    ).encode()
    entry = descriptor("manifest.v1+json", manifest) | {"annotations": {"org.opencontainers.image.ref.name": tag}}
    yield "oci-layout", b'{"imageLayoutVersion": "1.0.0"}'
    yield "index.json", json.dumps({"schemaVersion": 2, "manifests": [entry]}).encode()
    for blob in (manifest, raw_config, *packed):
        yield f"blobs/sha256/{digest(blob).removeprefix('sha256:')}", blob


def shrink(config: dict[str, object], layers: list[bytes], base: bytes, base_layers: int, channel: str) -> Image:
    """Swap the first `base_layers` layers for `base`, and tell the configuration."""
    kept = [base, *(without_hosts(layer, channel) for layer in layers[base_layers:])]
    history: list[dict[str, object]] = config["history"]  # type: ignore[assignment]
    makers = [position for position, entry in enumerate(history) if not entry.get("empty_layer", False)]
    own = history[makers[base_layers - 1] + 1 :]
    settings: dict[str, object] = config["config"]  # type: ignore[assignment]
    settings["Env"] = [value for value in settings["Env"] if not value.startswith(BUILD_ONLY_ENV)]  # type: ignore[attr-defined]
    small = {
        "architecture": config["architecture"],
        "os": config["os"],
        "config": {key: settings[key] for key in ("Env", "Entrypoint", "Cmd", "WorkingDir") if settings.get(key)},
        "rootfs": {"type": "layers", "diff_ids": [digest(layer) for layer in kept]},
        "history": [{"created_by": "", "comment": "Imported from -"}]
        + [{key: value for key, value in entry.items() if key != "created"} for entry in own],
    }
    return json.loads(json.dumps(small).replace(channel, CHANNEL)), kept


@contextmanager
def served_channel(hollow: bytes) -> Iterator[str]:
    """A conda channel on the loopback interface, made from the base's interpreter; its URL."""
    with tempfile.TemporaryDirectory() as folder, tarfile.open(fileobj=io.BytesIO(hollow)) as base:

        def read(member: tarfile.TarInfo) -> bytes:
            file = base.extractfile(member)
            assert file is not None
            return file.read()

        files = {member.name: read(member) for member in base if member.isreg()}
        (python,) = (data for name, data in files.items() if re.fullmatch(r"usr/bin/python3\.\d+", name))
        stdlib = {Path(name).name: data for name, data in files.items() if re.match(r"usr/lib/python3\.\d+/", name)}
        make_channel(Path(folder) / "lab", python, stdlib)
        server = ThreadingHTTPServer(("127.0.0.1", 0), partial(SimpleHTTPRequestHandler, directory=folder))
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/lab"
        server.shutdown()


def refresh_lock(context: Path, channel: str) -> None:
    """Give the locks in `context` addresses that answer: the hosts of a fresh uv lock, the served channel."""
    lock = context / "uv.lock"
    if lock.exists():
        pinned = lock.read_text()
        lock.unlink()
        subprocess.run((sys.executable, "-m", "uv", "lock", "--quiet", "--project", context), check=True)
        for key in ("registry", "url"):
            pattern = re.compile(rf'\b{key} = "https://[^/"]+/')
            pinned = pattern.sub(pattern.findall(lock.read_text())[0], pinned)
        lock.write_text(pinned)
    for lock in context.glob("conda-*.lock"):
        lock.write_text(lock.read_text().replace(CHANNEL, channel))


def build_sample(folder: Path, base: str, hollow: bytes, base_layers: int, channel: str) -> None:
    tag = f"driftscan-sample-{folder.name}"
    with tempfile.TemporaryDirectory() as scratch:
        context = Path(shutil.copytree(folder, Path(scratch) / folder.name))
        refresh_lock(context, channel)
        arguments = ("--build-arg", f"BASE={base}", "--build-arg", f"CHANNEL={channel}")
        docker("build", "--no-cache", "--network", "host", *arguments, "--tag", tag, str(context))
    config, layers = shrink(*saved_image(tag), hollow, base_layers, channel)
    with tarfile.open(folder / "image.tar", "w", format=tarfile.PAX_FORMAT) as archive:
        for name, data in oci_members(config, layers, folder.name):
            member = tarfile.TarInfo(name)
            member.size, member.mtime = len(data), EPOCH
            archive.addfile(member, io.BytesIO(data))
    print(f"{folder.name}: {(folder / 'image.tar').stat().st_size:,} bytes")


def main() -> None:
    base = build_installers(sys.argv[1])
    hollow = hollow_base(base)
    base_layers = len(saved_image(base)[1])
    with served_channel(hollow) as channel:
        for dockerfile in sorted(SAMPLES.glob("*/Dockerfile")):
            build_sample(dockerfile.parent, base, hollow, base_layers, channel)


if __name__ == "__main__":
    main()
