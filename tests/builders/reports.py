"""Finished reports and inventories, made of values alone."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import date
from types import MappingProxyType

from packaging.tags import Tag
from packaging.utils import NormalizedName, canonicalize_name

from driftscan.finding import (
    Evidence,
    Finding,
    Location,
    LockInput,
    Outcome,
    Practice,
    Report,
    Severity,
    Suppression,
    TargetInput,
)
from driftscan.model.dependencies import Dependencies, Kind, Link, Node, Start
from driftscan.model.image import ElfFacts, HistoryEntry, ImageConfig, LayerId, VersionNeed
from driftscan.model.inventory import (
    CondaPackage,
    Cuda,
    CudaBuild,
    DirectUrl,
    Distribution,
    Environment,
    EnvironmentKind,
    FileProblem,
    FileProblemKind,
    Interpreter,
    Inventory,
    Leftover,
    Library,
    Linkage,
    MissingVersion,
    Native,
    OsPackage,
    WheelFacts,
)
from driftscan.model.lock import Artifact, Hash, Package, PackageId, Unchecked
from driftscan.model.proof import Grade, Proof
from driftscan.model.target import Libc, Target

SITE = "/opt/venv/lib/python3.11/site-packages"
GLIBC = Libc("glibc", (2, 36))


def layer(index: int, created_by: str | None) -> LayerId:
    return LayerId(index, f"sha256:{index:064x}", created_by)


UPGRADE = layer(6, "RUN pip install -U numpy")
INSTALL = layer(4, "RUN uv sync --frozen --no-dev")

INTERPRETER = Interpreter(
    executable="/usr/local/bin/python3.11",
    version="3.11.2",
    soabi="cpython-311-x86_64-linux-gnu",
    machine="x86_64",
    bits=64,
    libc=GLIBC,
    stdlib="/usr/local/lib/python3.11",
    evidence=("/usr/local/include/python3.11/patchlevel.h",),
)

TARGET = Target(
    markers=MappingProxyType({"sys_platform": "linux", "python_full_version": "3.11.2"}),
    tags=(Tag("cp311", "cp311", "manylinux_2_36_x86_64"), Tag("py3", "none", "any")),
    machine="x86_64",
    libc=GLIBC,
)

NUMPY = Distribution(
    name=canonicalize_name("numpy"),
    version="2.2.0",
    path=f"{SITE}/numpy-2.2.0.dist-info",
    site=SITE,
    requires=("tomli; python_version < '3.11'",),
    requires_python=">=3.10",
    installer="pip",
    requested=True,
    wheel=WheelFacts(frozenset({Tag("cp311", "cp311", "manylinux_2_17_x86_64")}), root_is_purelib=False),
    has_record=True,
    record_files=1210,
    layer=UPGRADE,
)

SHOP = Distribution(
    name=canonicalize_name("shop-core"),
    version="0.3",
    path=f"{SITE}/shop_core-0.3.dist-info",
    site=SITE,
    provides_extras=frozenset({"b", "a"}),
    installer="uv",
    requested=False,
    direct_url=DirectUrl(
        url="https://git.example/shop-core",
        kind="vcs",
        commit="0123456789abcdef0123456789abcdef01234567",
        hashes=(Hash("sha256", "ab" * 32),),
    ),
    has_record=True,
    record_files=12,
    layer=INSTALL,
)

ENVIRONMENT = Environment(
    path="/opt/venv",
    kind=EnvironmentKind.VENV,
    interpreter=INTERPRETER,
    target=TARGET,
    search_path=(SITE,),
    distributions=(NUMPY, SHOP),
    natives=(
        Native(
            path=f"{SITE}/numpy/_core/_multiarray_umath.so",
            distribution=NUMPY.path,
            elf=ElfFacts(
                62, 64, True, None, True, ("libc.so.6",), version_needs=(VersionNeed("libc.so.6", "GLIBC_2.17", False),)
            ),
            layer=UPGRADE,
            is_module=True,
            linkage=Linkage(
                libraries=(
                    Library("libpthread.so.0", "/usr/lib/libpthread.so.0", f"{SITE}/numpy/_core/_multiarray_umath.so"),
                    Library("libstdc++.so.6", "/usr/lib/libstdc++.so.6", f"{SITE}/numpy/_core/_multiarray_umath.so"),
                    Library("libgone.so.1", None, "/usr/lib/libstdc++.so.6", UPGRADE),
                ),
                missing_versions=(
                    MissingVersion(
                        "libstdc++.so.6",
                        "/usr/lib/libstdc++.so.6",
                        "GLIBCXX_3.4.32",
                        f"{SITE}/numpy/_core/_multiarray_umath.so",
                    ),
                ),
            ),
        ),
    ),
    cuda=(CudaBuild(canonicalize_name("torch"), "2.6.0", "12.4", "torch/version.py"),),
    problems=(
        FileProblem(
            kind=FileProblemKind.MODIFIED,
            path=f"{SITE}/shop_core/__init__.py",
            distribution=SHOP.path,
            expected="sha256:aa",
            actual="sha256:bb",
            layer=UPGRADE,
        ),
    ),
    chosen_because="the entrypoint runs /opt/venv/bin/gunicorn",
    unchecked=(Unchecked("files of wheel", "nothing lists them"),),
)

CONDA = Environment(
    path="/opt/conda",
    kind=EnvironmentKind.CONDA,
    interpreter=Interpreter(executable="/opt/conda/bin/python3.12", version="3.12.7", machine="x86_64"),
    target=Target(machine="x86_64", libc=GLIBC),
    conda=(
        CondaPackage(
            name="openssl",
            version="3.3.2",
            build="hb9d3cd8_0",
            channel="conda-forge",
            subdir="linux-64",
            filename="openssl-3.3.2-hb9d3cd8_0.conda",
            url="https://conda.example/conda-forge/linux-64/openssl-3.3.2-hb9d3cd8_0.conda",
            path="/opt/conda/conda-meta/openssl-3.3.2-hb9d3cd8_0.json",
            sha256="cd" * 32,
            depends=("ca-certificates",),
            layer=layer(2, "COPY --from=build /opt/conda /opt/conda # two"),
        ),
    ),
)

LOCK = LockInput(path="uv.lock", format="uv", sha256="12" * 32)
IMAGE = TargetInput(reference="shop:1.4", source="docker", digest="sha256:" + "34" * 32, platform="linux/amd64")

PACKAGES = tuple(
    Package(
        id=PackageId(canonicalize_name(name), version),
        line=line,
        artifacts=(Artifact(filename=f"{name}-{version}-py3-none-any.whl", hashes=(Hash("sha256", digest * 32),)),),
    )
    for name, version, line, digest in (
        ("numpy", "2.1.3", 123, "a1"),
        ("pandas", "2.2.3", 140, "b2"),
        ("python-dateutil", "2.9.0.post0", 402, "c3"),
        ("requests", "2.32.3", 410, "d4"),
        ("shop-core", "1.0", 500, "e5"),
    )
)
DEPENDENCIES = Dependencies(
    title="uv.lock",
    kind=Kind.LOCKED,
    nodes=tuple(
        Node(name=each.id.name, version=each.id.version, is_member=each.id.name == "shop-core") for each in PACKAGES
    ),
    links=(
        Link(source=1, target=0, specifier=">=1.26"),
        Link(source=1, target=2),
        Link(source=4, target=1, marker="python_version >= '3.11'"),
        Link(source=4, target=3),
    ),
    starts=(Start(target=4),),
)

MISMATCH = Finding(
    rule="DR202",
    slug="version-mismatch",
    severity=Severity.ERROR,
    package="numpy",
    message="numpy 2.1.3 is locked, 2.2.0 is installed",
    locked=("2.1.3",),
    installed=("2.2.0",),
    path=NUMPY.path,
    layer=UPGRADE,
    chain=("pandas", "numpy"),
    hint="install from the lock after every other instruction, or lock 2.2.0",
    location=Location(path="uv.lock", line=123),
)

UNEXPECTED = Finding(
    rule="DR203",
    slug="unexpected",
    severity=Severity.INFO,
    package="pip",
    message="pip 24.0 is installed, and not locked; it is an installer",
    installed=("24.0",),
    path=f"{SITE}/pip-24.0.dist-info",
    layer=layer(3, "RUN python -m venv /opt/venv"),
)


def report(*findings: Finding, unchecked: tuple[Unchecked, ...] = (), matching: int = 44) -> Report:
    return Report(
        locks=(LOCK,),
        target=IMAGE,
        environment=ENVIRONMENT,
        locked=45,
        installed=47,
        matching=matching,
        findings=findings,
        unchecked=unchecked,
    )


def many() -> Report:
    """Twenty findings of several kinds, errors first, and two things that were not checked."""
    modified = tuple(
        Finding(
            rule="IN401",
            slug="modified-file",
            severity=Severity.ERROR,
            package="requests",
            message=f"{SITE}/requests/module_{number}.py differs from its RECORD",
            locked=("2.32.3",),
            installed=("2.32.3",),
            path=f"{SITE}/requests/module_{number}.py",
            layer=layer(8, "RUN find / -name '*.py' -exec sed -i 's/http:/https:/' {} + && rm -rf /root/.cache"),
            hint="change the project that it comes from, not the installed files",
        )
        for number in range(9)
    )
    missing = Finding(
        rule="DR201",
        slug="missing",
        severity=Severity.ERROR,
        package="python-dateutil",
        message="python-dateutil 2.9.0.post0 is locked and not installed",
        locked=("2.9.0.post0",),
        chain=("pandas", "python-dateutil"),
        location=Location(path="uv.lock", line=402),
    )
    unowned = Finding(
        rule="IN403",
        slug="unowned-file",
        severity=Severity.WARNING,
        message=f"{SITE}/sitecustomize.py belongs to no distribution and is imported at every start",
        path=f"{SITE}/sitecustomize.py",
        layer=layer(9, "COPY hooks/ /opt/venv/lib/python3.11/site-packages/"),
    )
    also = Finding(
        rule="NW301",
        slug="wheel-not-in-lock",
        severity=Severity.ERROR,
        package="numpy",
        message="numpy 2.2.0 was installed from a wheel that the lock does not list (cp311-cp311-manylinux_2_17)",
        locked=("2.1.3",),
        installed=("2.2.0",),
        path=NUMPY.path,
        layer=UPGRADE,
        chain=("pandas", "numpy"),
        location=Location(path="uv.lock", line=123),
    )
    lock = Finding(
        rule="LK110",
        slug="requires-python",
        severity=Severity.WARNING,
        message="the lock is for Python >=3.12, the image runs 3.11.2",
        location=Location(path="uv.lock", line=2),
    )
    notes = tuple(
        Finding(
            rule="DR203",
            slug="unexpected",
            severity=Severity.INFO,
            package=name,
            message=f"{name} {version} is installed, and not locked; it is an installer",
            installed=(version,),
            layer=INSTALL,
        )
        for name, version in (("pip", "24.0"), ("setuptools", "75.1.0"), ("uv", "0.9.2"), ("wheel", "0.44.0"))
    )
    unchecked = (
        Unchecked("files of pyyaml", "its RECORD is damaged, so nothing says what they should be; reinstall it"),
        Unchecked("marker of colorama", "platform_release is not known from files"),
    )
    return report(MISMATCH, missing, *modified, also, unowned, lock, *notes, unchecked=unchecked, matching=42)


def alike() -> Report:
    """Twelve packages that one instruction upgraded, and one that it removed."""
    upgraded = tuple(
        Finding(
            rule="DR202",
            slug="version-mismatch",
            severity=Severity.ERROR,
            package=f"package-{number}",
            message=f"package-{number} 1.{number} is locked, 2.0 is installed",
            locked=(f"1.{number}",),
            installed=("2.0",),
            path=f"{SITE}/package_{number}-2.0.dist-info",
            layer=layer(7, "RUN pip install --upgrade --upgrade-strategy eager package-0"),
            chain=("shop", f"package-{number}"),
            hint=f"install from the lock, or lock 2.0 instead of 1.{number}",
            location=Location(path="uv.lock", line=10 * number + 3),
        )
        for number in range(12)
    )
    return report(MISMATCH, *upgraded, UNEXPECTED, matching=32)


def inventory() -> Inventory:
    config = ImageConfig(
        architecture="amd64",
        entrypoint=("gunicorn", "shop:app"),
        env=MappingProxyType({"PATH": "/opt/venv/bin:/usr/bin", "EMPTY": ""}),
        labels=MappingProxyType({"org.example.team": "shop"}),
        history=(HistoryEntry("ADD rootfs.tar / # buildkit"), HistoryEntry('CMD ["bash"]', True)),
        diff_ids=(f"sha256:{1:064x}",),
    )
    return Inventory(
        cuda=Cuda(declared="12.4.1", driver_requirement="cuda>=12.4"),
        config=config,
        layers=(layer(1, "ADD rootfs.tar /"), layer(2, "COPY --from=build /opt/conda /opt/conda"), INSTALL, UPGRADE),
        os_name="Debian GNU/Linux 12 (bookworm)",
        environments=(ENVIRONMENT, CONDA),
        default=0,
        os_packages=(OsPackage(name="libc6", version="2.36-9+deb12u9", manager="dpkg"),),
        leftovers=(Leftover("/root/.cache/uv/wheels-v1/numpy-2.1.3.dist-info", "a cache of uv"),),
        unchecked=(Unchecked("/opt/other/bin/python", "its version is nowhere in it"),),
    )


def full() -> Report:
    """All that a report can hold: two suppressed findings, practices, proofs, an inventory and the lock's graph."""
    base = many()
    baseline = Suppression("driftscan-baseline.json", is_baseline=True)
    excuse = Suppression("pyproject.toml", "vendored until 2.3", "shop team", date(2027, 1, 31))
    findings = [
        replace(finding, suppression={2: excuse, 3: baseline}.get(position))
        for position, finding in enumerate(base.findings)
    ]
    return replace(
        base,
        findings=tuple(findings),
        packages=PACKAGES,
        dependencies=DEPENDENCIES,
        inventory=inventory(),
        practices=(
            Practice(number=1, title="base image pinned by digest", outcome=Outcome.PASS),
            Practice(
                number=4,
                title="installed from a lock, with hashes",
                outcome=Outcome.FAIL,
                evidence=(
                    Evidence("IM541", Outcome.FAIL, "history", "`pip install -U numpy` names numpy instead of a lock"),
                    Evidence("IM543", Outcome.PASS, "layer", "/app/uv.lock is the lock that is compared"),
                ),
            ),
        ),
        proofs=(
            Proof(name=NUMPY.name, version="2.2.0", distribution=NUMPY.path, grade=Grade.DIFFERENT),
            Proof(name=SHOP.name, version=SHOP.version, distribution=SHOP.path, grade=Grade.UNVERIFIABLE),
        ),
    )


HOSTILE = (
    "\x1b]8;;http://evil.example/\x1b\\click\x1b]8;;\x1b\\",
    "\x9b31mred\x85next",
    "\u202egnp.exe\u2066",
    "[/red][bold]",
    "a\n::add-mask::b\r\n##vso[task.setvariable]c",
    "%0A::error::x%25",
    "a|b`c``d~~e",
    "@team fixes #12, GH-7 and org/repo#3 on www.evil.example",
    "![beacon](http://evil.example/x.png)<img src=x onerror=alert(1)>",
    "</script><script>alert(1)</script><!--",
    "javascript:alert(1)//\"' onmouseover=alert(1)",
    "]]><failure/>&#0;&bomb;",
    "{0} {{1}} [link](1)",
    "b\udcff\udce2 \ud800",
    "\ufffe\uffff\x00",
    "long" * 3000,
)
"""Text that takes itself for more than text in one format or another."""


def said_everywhere(text: str) -> Report:
    """A report whose every text that an image, a lock or a Dockerfile decides is `text`."""
    base = full()
    made = LayerId(6, text, text)
    finding = replace(
        MISMATCH,
        package=text or None,
        message=text,
        locked=(text,),
        installed=(text,),
        path=text,
        layer=made,
        chain=(text, text),
        hint=text,
        location=Location(path=text, line=3),
    )
    suppressed = replace(finding, suppression=Suppression(text, text, text, date(2027, 1, 31)))
    name = NormalizedName(text)
    distribution = replace(NUMPY, name=name, version=text, path=text, installer=text, layer=made)
    conda = replace(CONDA.conda[0], name=text, version=text, build=text, channel=text, path=text, sha256=text)
    environment = replace(ENVIRONMENT, path=text, distributions=(distribution,), conda=(conda,), chosen_because=text)
    link = Link(source=0, target=1, specifier=text, marker=text)
    nodes = (Node(name=name, version=text), Node(name=canonicalize_name("x"), version=text))
    held = inventory()
    return replace(
        base,
        locks=(replace(LOCK, path=text),),
        target=replace(IMAGE, reference=text, platform=text),
        environment=environment,
        findings=(finding, replace(finding, package=None, location=None), suppressed),
        unchecked=(Unchecked(text, text),),
        packages=(Package(id=PackageId(name, text), path=text, line=2),),
        dependencies=replace(DEPENDENCIES, title=text, nodes=nodes, links=(link,), starts=()),
        inventory=replace(
            held,
            layers=(made,),
            os_name=text,
            environments=(environment,),
            os_packages=(OsPackage(name=text, version=text, manager="dpkg"),),
        ),
        practices=(
            Practice(number=1, title=text, outcome=Outcome.FAIL, evidence=(Evidence(text, Outcome.FAIL, text, text),)),
        ),
    )


def assert_harmless(shown: str) -> None:
    """Text for people is one printable line after the other, none of which gives orders to a pipeline."""
    shown.encode()
    for line in shown.split("\n"):
        assert line.isprintable()
        assert not re.search(r"^\s*::[A-Za-z]|##\[|##vso\[", line)
