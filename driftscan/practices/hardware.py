"""Practice 6: what is assumed of the hardware is written down: threads, CUDA, the driver."""

from __future__ import annotations

import re
from collections.abc import Iterator

from packaging.version import InvalidVersion, Version

from driftscan.compare import Comparison
from driftscan.dockerfile.model import Dockerfile, Stage
from driftscan.finding import Location, Outcome, Severity
from driftscan.listing import listed
from driftscan.model.inventory import CudaBuild, Environment, Inventory
from driftscan.practices import scope
from driftscan.practices.base import is_pinned
from driftscan.practices.installs import installs
from driftscan.practices.statements import Grade, Statement, failed, passed, unknown

THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
_ALSO_THREADS = ("NUMEXPR_NUM_THREADS", "NUMEXPR_MAX_THREADS", "BLIS_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")
NUMERICAL = frozenset(
    {"numpy", "scipy", "torch", "tensorflow", "scikit-learn", "numba", "numexpr", "mkl", "onnxruntime", "jax", "jaxlib"}
    | {
        "xgboost",
        "lightgbm",
        "faiss-cpu",
        "tensorflow-cpu",
        "onnxruntime-gpu",
        "pytorch",
        "openblas",
        "cupy",
        "paddlepaddle",
    }
)
"""Projects that compute with threads of OpenMP or BLAS, or bring these."""
_CUDA_IMAGE = re.compile(r"(?:^|/)(?:nvidia/|nvcr\.io/|[^/]*cuda|pytorch/pytorch|rapidsai/)", re.IGNORECASE)
_NEEDED = re.compile(r"libcudart\.so\.(\d+)(?:\.\d+)*")
_REQUIRED = re.compile(r"\bcuda>=(\d{1,3}\.\d{1,3})")
_DRIVERS = {11: "450.80.02", 12: "525.60.13", 13: "580.65.06"}
"""Least Linux driver for each major version of CUDA, by NVIDIA's table of minor version compatibility."""


def judge(comparison: Comparison) -> Iterator[Statement]:
    dockerfile, inventory = comparison.build.dockerfile, scope.image(comparison)
    if dockerfile is not None:
        yield from _bases(dockerfile)
    if inventory is not None:
        yield from _image_threads(comparison, inventory)
    elif dockerfile is not None:
        yield from _text_threads(comparison, dockerfile)
    if inventory is not None and comparison.environment is not None:
        yield from _cuda(inventory, comparison.environment)


def _bases(dockerfile: Dockerfile) -> Iterator[Statement]:
    for stage in dockerfile.stages:
        name = stage.base.text
        if stage.parent is not None or stage.base.unknown or not _CUDA_IMAGE.search(name):
            continue
        if is_pinned(name):
            yield passed("HW603", Grade.DOCKERFILE, f"the CUDA base {name.partition('@')[0]} is pinned by its digest")
        else:
            yield Statement(
                rule="HW603",
                outcome=Outcome.FAIL,
                grade=Grade.DOCKERFILE,
                text=f"the CUDA base image {name} has no digest: toolkit and driver floor may change with it",
                hint=f"write {name}@sha256:...",
                location=Location(path=dockerfile.path, line=stage.line),
            )


def _text_threads(comparison: Comparison, dockerfile: Dockerfile) -> Iterator[Statement]:
    present = sorted(NUMERICAL & set(_named(comparison)))
    final = scope.final_stage(dockerfile)
    if not present:
        yield _no_numerical(comparison)
        return
    if _sets_threads(dockerfile, final):
        yield passed("HW601", Grade.DOCKERFILE, "the final stage sets the number of threads")
        return
    yield Statement(
        rule="HW601",
        outcome=Outcome.FAIL,
        grade=Grade.DOCKERFILE,
        text=_no_threads(present),
        hint=_threads_hint(),
        location=Location(path=dockerfile.path, line=final.line),
    )


def _sets_threads(dockerfile: Dockerfile, stage: Stage) -> bool:
    return any(
        argument.text in (*THREADS, *_ALSO_THREADS)
        for each in dockerfile.lineage(stage)
        for step in each.steps
        if step.keyword == "ENV"
        for argument in step.arguments[::2]
    )


def _no_numerical(comparison: Comparison) -> Statement:
    context = comparison.build.context or {}
    unread = [
        path
        for actions in scope.stages(comparison)
        for action in actions
        for _, install in installs(action.commands, action.values)
        for path in install.locks
        if path.removeprefix("./") not in context
    ]
    if not unread:
        return passed("HW601", Grade.DOCKERFILE, "no instruction installs numerical libraries")
    return unknown(
        "HW601",
        Grade.DOCKERFILE,
        f"whether {listed(list(dict.fromkeys(unread)))} brings numerical libraries",
        "it was not found in the build context; name its folder with --context, or give the image",
    )


def _named(comparison: Comparison) -> Iterator[str]:
    """Projects that the installs of the Dockerfile name, or the locks that they read."""
    context = comparison.build.context or {}
    for actions in scope.stages(comparison):
        for action in actions:
            for _, install in installs(action.commands, action.values):
                yield from install.projects
                for path in install.locks:
                    facts = context.get(path.removeprefix("./"))
                    yield from facts.projects if facts is not None else ()


def _no_threads(present: list[str]) -> str:
    return f"nothing sets the number of threads of {listed(present)}: the host's processors do, and sums depend on it"


def _threads_hint() -> str:
    return "set it: ENV " + " ".join(f"{name}=1" for name in THREADS) + ", or the number that the container gets"


def _image_threads(comparison: Comparison, inventory: Inventory) -> Iterator[Statement]:
    environment = comparison.environment
    if environment is None:
        return
    present = sorted(
        NUMERICAL
        & ({each.name for each in environment.distributions} | {each.name.lower() for each in environment.conda})
    )
    if not present:
        yield passed("HW601", Grade.LAYER, "no numerical libraries are installed")
    elif any(inventory.config.env.get(name) for name in (*THREADS, *_ALSO_THREADS)):
        yield passed("HW601", Grade.CONFIGURATION, "the environment sets the number of threads")
    else:
        yield Statement(
            rule="HW601",
            outcome=Outcome.FAIL,
            grade=Grade.CONFIGURATION,
            severity=Severity.WARNING if _mixed_runtimes(environment) else None,
            text=_no_threads(present),
            hint=_threads_hint(),
        )


def _mixed_runtimes(environment: Environment) -> bool:
    """Whether two kinds of OpenMP can be loaded."""
    kinds = {
        runtime
        for native in environment.natives
        if native.elf.symbols is not None
        for runtime in native.elf.symbols.runtimes
    }
    return {"libgomp", "libomp"} <= kinds


def _cuda(inventory: Inventory, environment: Environment) -> Iterator[Statement]:
    builds = environment.cuda
    there = inventory.cuda.toolkit or inventory.cuda.declared
    compiled = _compiled(environment)
    if not builds and not compiled:
        yield passed("HW602", Grade.LAYER, "no package is built for CUDA")
        return
    yield from _match(builds, compiled, there)
    yield _guard(inventory)
    yield from _driver(inventory, builds)


def _compiled(environment: Environment) -> dict[str, str]:
    """Major version of the CUDA runtime that packages need which were compiled in the image."""
    own = {each.path: each.name for each in environment.distributions if each.built_on_the_spot is not None}
    return {
        own[native.distribution]: match[1]
        for native in environment.natives
        if native.distribution in own
        for library in native.elf.needed
        if (match := _NEEDED.fullmatch(library)) is not None
    }


def _match(builds: tuple[CudaBuild, ...], compiled: dict[str, str], there: str | None) -> Iterator[Statement]:
    if there is None:
        names = listed(
            [
                f"{each.distribution} for CUDA {each.cuda}"
                for each in builds
                if not each.distribution.startswith("nvidia-")
            ]
            or sorted(compiled)
        )
        if compiled:
            yield unknown(
                "HW602", Grade.LAYER, f"whether {names} fits the image's CUDA", "the image does not say which it has"
            )
        else:
            yield passed("HW602", Grade.LAYER, "the wheels carry their own CUDA, and the image has none beside it")
        return
    major = there.partition(".")[0]
    other = [each for each in builds if each.cuda.partition(".")[0] != major]
    wrong = {name: needed for name, needed in compiled.items() if needed != major}
    for name, needed in sorted(wrong.items()):
        yield _mismatch(f"{name} was compiled in the image for CUDA {needed}, and the image has {there}", None)
    if other and not wrong:
        first = other[0]
        yield _mismatch(
            f"{first.distribution} {first.version} is for CUDA {first.cuda} ({first.evidence}), the image has {there}; "
            "the wheel carries its own",
            Severity.INFO,
        )
    if not other and not wrong:
        yield passed("HW602", Grade.LAYER, f"packages and image are for CUDA {major}")


def _mismatch(text: str, severity: Severity | None) -> Statement:
    return Statement(
        rule="HW602",
        outcome=Outcome.FAIL,
        grade=Grade.LAYER,
        severity=severity,
        text=text,
        hint="take a base image with the CUDA of the packages, or one without CUDA where wheels bring all of it",
    )


def _guard(inventory: Inventory) -> Statement:
    guard = inventory.traces.execution.guard if inventory.traces is not None else None
    if guard is not None:
        return passed("HW604", Grade.LAYER, f"{guard} looks for a GPU before it runs")
    return failed(
        rule="HW604",
        grade=Grade.LAYER,
        text="packages for a GPU are installed, and no script of the entrypoint fails without one",
        hint="let the entrypoint end where there is none: `nvidia-smi > /dev/null || exit 1`",
    )


def _driver(inventory: Inventory, builds: tuple[CudaBuild, ...]) -> Iterator[Statement]:
    declared = _REQUIRED.search(inventory.cuda.driver_requirement or "")
    wanted = max(filter(None, (_version(each.cuda) for each in builds)), default=None)
    if wanted is None or declared is None:
        return
    if inventory.config.env.get("NVIDIA_DISABLE_REQUIRE", "").lower() in ("1", "true"):
        yield _low(f"the image declares cuda>={declared[1]}, and NVIDIA_DISABLE_REQUIRE makes the runtime ignore it")
    elif wanted > Version(declared[1]) and wanted.major > Version(declared[1]).major:
        driver = _DRIVERS.get(wanted.major)
        needs = f" (driver {driver} or newer)" if driver else ""
        yield _low(f"packages need CUDA {wanted}{needs}, and the image declares only cuda>={declared[1]}")
    else:
        yield passed("HW605", Grade.CONFIGURATION, f"the image declares cuda>={declared[1]}, and packages need no more")


def _low(text: str) -> Statement:
    return failed(
        rule="HW605",
        grade=Grade.CONFIGURATION,
        text=text,
        hint="declare what the packages need: ENV NVIDIA_REQUIRE_CUDA=cuda>=...",
    )


def _version(text: str) -> Version | None:
    try:
        return Version(text)
    except InvalidVersion:
        return None
