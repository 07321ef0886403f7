"""Finished reports and inventories, made of values alone."""

from __future__ import annotations

from types import MappingProxyType

from packaging.tags import Tag
from packaging.utils import canonicalize_name

from driftscan.finding import Finding, Location, LockInput, Report, Severity, TargetInput
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
from driftscan.model.lock import Hash, Unchecked
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
