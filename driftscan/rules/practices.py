"""IM5xx and HW6xx: whether the image can be built again, from its Dockerfile, its layers and its configuration."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from driftscan import practices
from driftscan.compare import Comparison
from driftscan.finding import Severity
from driftscan.rules.rule import Draft, Rule

FAMILIES = ("IM", "HW")
_TEXT = "the instructions of the Dockerfile; without one, those in the image's history"
_FILES = "the files of the image's layers, and its configuration"


def _check(code: str, comparison: Comparison) -> Iterator[Draft]:
    for found in practices.failures(comparison, code):
        yield Draft(
            message=found.text,
            severity=found.severity,
            package=found.package,
            path=found.path,
            layer=found.layer,
            hint=found.hint,
            location=found.location,
            subject=(found.location.path, found.text) if found.location is not None else (),
        )


def _rule(code: str, slug: str, severity: Severity, summary: str, *, why: str, evidence: str, remedy: str) -> Rule:
    return Rule(
        code=code,
        slug=slug,
        severity=severity,
        summary=summary,
        why=why,
        evidence=evidence,
        remedy=remedy,
        check=partial(_check, code),
    )


RULES = (
    _rule(
        "IM511",
        "base-not-pinned",
        Severity.ERROR,
        "a base image is named without a digest",
        why="A tag is moved with every release of the base: the same Dockerfile then builds on other files.",
        evidence="every FROM of the Dockerfile that names an image, after its ARGs; an image's history does not tell",
        remedy="write IMAGE:TAG@sha256:DIGEST, and let a bot propose new digests",
    ),
    _rule(
        "IM512",
        "base-moved",
        Severity.WARNING,
        "the tag now points to another digest than the image was built on",
        why="The base had a release, often with security fixes, that this build does not have.",
        evidence="the registry's answer for the tag, and the digest in the Dockerfile or in the image's labels",
        remedy="see what changed in the base, and pin the new digest",
    ),
    _rule(
        "IM513",
        "stage-source-not-pinned",
        Severity.WARNING,
        "`COPY --from`, `--mount=from` or `# syntax` names an image without a digest",
        why="Files copied from a moving image change as those of a moving base do.",
        evidence="the Dockerfile's flags and directives that name an image instead of a stage",
        remedy="write the digest behind the name, or make it a stage with a pinned FROM",
    ),
    _rule(
        "IM521",
        "package-lists-left",
        Severity.WARNING,
        "package lists or caches stay in a layer",
        why="They ship with the image, differ in every build, and later installs take them for current.",
        evidence=f"{_TEXT}; {_FILES}",
        remedy="remove them in the instruction that fetches them, or mount a cache there",
    ),
    _rule(
        "IM522",
        "os-packages-split",
        Severity.WARNING,
        "OS packages are installed in more than one own layer",
        why="The builder's cache keeps each layer for itself: one build then mixes lists and packages of several days.",
        evidence=f"{_TEXT}; which layers change the database of the package manager",
        remedy="update, install and clean in one RUN",
    ),
    _rule(
        "IM523",
        "os-packages-floating",
        Severity.WARNING,
        "neither versions nor a snapshot fix the OS packages",
        why="The archive moves on: the same instruction installs other libraries tomorrow.",
        evidence=f"{_TEXT}; the package sources in the image",
        remedy="set a snapshot of the distribution as the source of packages",
    ),
    _rule(
        "IM524",
        "deleted-but-shipped",
        Severity.INFO,
        "bytes that a later layer deletes still ship",
        why="Deleting in a later layer hides a file; whoever has the image still has it, and pulls it.",
        evidence="files of a layer that the merged root filesystem does not show, from one MiB a layer",
        remedy="delete in the instruction that creates, or build in a stage of its own",
    ),
    _rule(
        "IM531",
        "code-before-dependencies",
        Severity.WARNING,
        "code is copied before dependencies are installed",
        why="Each change of code then installs all dependencies anew, and they may come out differently each time.",
        evidence="the order of COPY and of the first install in each stage; in an image the layers that hold them",
        remedy="copy the manifest and the lock first, install, then copy the code",
    ),
    _rule(
        "IM541",
        "not-installed-from-lock",
        Severity.ERROR,
        "dependencies are installed by an instruction that reads no lock",
        why="What is installed is then whatever the index has on that day.",
        evidence=f"{_TEXT}; the locks beside the Dockerfile",
        remedy="lock outside of the build, copy the lock in, and install from it alone",
    ),
    _rule(
        "IM542",
        "hashes-not-enforced",
        Severity.WARNING,
        "the install does not require hashes",
        why="A version on an index can get other files; only a hash tells them apart.",
        evidence=f"{_TEXT}, and whether the lock that they read has hashes; in a history it is a claim, and no proof",
        remedy="add --require-hashes, or use a tool whose lock has hashes",
    ),
    _rule(
        "IM543",
        "other-lock-in-image",
        Severity.ERROR,
        "the lock in the image is not the one compared",
        why="The image was built from another state of the repository than the one it is judged by.",
        evidence="the digest of the file of that name in the image; what both lock, and what is installed",
        remedy="build again from the lock, or compare with the one that the image was built from",
    ),
    _rule(
        "IM551",
        "no-entrypoint",
        Severity.WARNING,
        "nothing says how the image runs, or it is merely inherited",
        why="What runs is then decided elsewhere, by the base image or by whoever starts it.",
        evidence="ENTRYPOINT and CMD of the final stage; the image's configuration and history",
        remedy='say what it runs: ENTRYPOINT ["python", "-m", "app"]',
    ),
    _rule(
        "IM552",
        "shell-form",
        Severity.WARNING,
        "the entrypoint runs through a shell",
        why="The shell is process 1: it passes no signals on, and its variables and start files decide what runs.",
        evidence="the form of ENTRYPOINT and CMD, an array that calls a shell included",
        remedy='write an array: ENTRYPOINT ["python", "-m", "app"]',
    ),
    _rule(
        "IM553",
        "entrypoint-unresolvable",
        Severity.ERROR,
        "the program or script it names is not in the image",
        why="The container ends before it has begun.",
        evidence="the merged root filesystem: PATH, links, mode bits, first lines of scripts, modules of `python -m`",
        remedy="copy it into the final stage, or correct ENTRYPOINT, CMD, WORKDIR or PATH",
    ),
    _rule(
        "HW601",
        "threads-not-set",
        Severity.INFO,
        "numerical libraries are present and no thread variable is set; warning when runtimes conflict",
        why="They start a thread for each processor of the host, whatever the container may use, and the number decides"
        " the order of additions.",
        evidence="installed or locked projects, and the variables of the final stage or the image",
        remedy="set OMP_NUM_THREADS, MKL_NUM_THREADS and OPENBLAS_NUM_THREADS",
    ),
    _rule(
        "HW602",
        "cuda-mismatch",
        Severity.ERROR,
        "the CUDA that packages need and that the image has differ (info where a wheel carries its own)",
        why="A module that was compiled for one CUDA does not load the libraries of another.",
        evidence="torch's version.py, labels and names of packages, libraries that compiled modules need, the toolkit",
        remedy="take a base image with the CUDA of the packages",
    ),
    _rule(
        "HW603",
        "cuda-base-floating",
        Severity.ERROR,
        "a CUDA base image without a digest",
        why="Toolkit, cuDNN and the declared driver change under the same tag.",
        evidence="every FROM that names an image with CUDA",
        remedy="write the digest behind the name",
    ),
    _rule(
        "HW604",
        "no-gpu-guard",
        Severity.INFO,
        "a GPU build whose entrypoint does not fail without a GPU",
        why="Without one, the libraries compute on the CPU, hours longer and with other numbers.",
        evidence="packages that are built for CUDA, and the scripts of the entrypoint",
        remedy="let the entrypoint end where there is none: `nvidia-smi > /dev/null || exit 1`",
    ),
    _rule(
        "HW605",
        "driver-floor",
        Severity.WARNING,
        "packages need a newer driver than the image declares",
        why="On a host with the declared driver the container starts, and fails at the first call to the GPU.",
        evidence="NVIDIA_REQUIRE_CUDA and NVIDIA_DISABLE_REQUIRE of the image, and the CUDA of installed packages",
        remedy="declare what the packages need in NVIDIA_REQUIRE_CUDA",
    ),
)
