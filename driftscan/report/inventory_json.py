"""What an image contains, for programs: `driftscan.inventory/1`, everything that the inventory holds.

Keys that do not apply or are empty are absent. The same inventory gives the same bytes, all of them ASCII.
"""

from __future__ import annotations

from driftscan.finding import TargetInput
from driftscan.model.image import ElfFacts, ImageConfig
from driftscan.model.inventory import (
    CondaPackage,
    Cuda,
    CudaBuild,
    DirectUrl,
    Distribution,
    Environment,
    FileProblem,
    Interpreter,
    Inventory,
    Library,
    MissingVersion,
    Native,
    WheelFacts,
)
from driftscan.model.lock import Unchecked
from driftscan.model.target import Target
from driftscan.report.json import Value, dumps, layer_object, present, strings, texts
from driftscan.report.view import View

SCHEMA = "driftscan.inventory/1"


def render(inventory: Inventory, target: TargetInput, view: View) -> str:  # noqa: ARG001 (every format is called alike)
    default = inventory.default
    document: dict[str, Value] = {
        "schema": SCHEMA,
        "target": present(
            reference=target.reference, source=target.source, digest=target.digest, platform=target.platform
        ),
        **present(os=inventory.os_name, default_environment=default),
        "config": _config(inventory.config),
        "layers": [layer_object(layer) or {} for layer in inventory.layers],
        "environments": [_environment(environment) for environment in inventory.environments],
        "os_packages": [
            present(name=package.name, version=package.version, manager=package.manager)
            for package in inventory.os_packages
        ],
        "cuda": _cuda(inventory.cuda),
        "leftovers": [present(path=leftover.path, why=leftover.why) for leftover in inventory.leftovers],
        "unchecked": _unchecked(inventory.unchecked),
    }
    return dumps(document)


def _unchecked(unchecked: tuple[Unchecked, ...]) -> list[Value]:
    return [present(what=item.what, why=item.why) for item in unchecked]


def _config(config: ImageConfig) -> dict[str, Value]:
    return present(
        architecture=config.architecture,
        os=config.os,
        variant=config.variant,
        entrypoint=strings(config.entrypoint),
        cmd=strings(config.cmd),
        env=texts(config.env),
        working_dir=config.working_dir,
        user=config.user,
        labels=texts(config.labels),
        history=[
            present(created_by=entry.created_by, empty_layer=entry.empty_layer, comment=entry.comment)
            for entry in config.history
        ],
        diff_ids=strings(config.diff_ids),
    )


def _environment(environment: Environment) -> dict[str, Value]:
    return present(
        path=environment.path,
        kind=environment.kind.value,
        chosen_because=environment.chosen_because,
        interpreter=_interpreter(environment.interpreter),
        target=_target(environment.target),
        search_path=strings(environment.search_path),
        distributions=[_distribution(distribution) for distribution in environment.distributions],
        conda=[_conda(package) for package in environment.conda],
        natives=[_native(native) for native in environment.natives],
        cuda=[_cuda_build(build) for build in environment.cuda],
        problems=[_problem(problem) for problem in environment.problems],
        unchecked=_unchecked(environment.unchecked),
    )


def _interpreter(interpreter: Interpreter) -> dict[str, Value]:
    return present(
        executable=interpreter.executable,
        implementation=interpreter.implementation,
        version=interpreter.version,
        soabi=interpreter.soabi,
        gil_disabled=interpreter.gil_disabled,
        debug=interpreter.debug,
        machine=interpreter.machine,
        bits=interpreter.bits,
        libc=str(interpreter.libc) if interpreter.libc else None,
        stdlib=interpreter.stdlib,
        evidence=strings(interpreter.evidence),
    )


def _target(target: Target) -> dict[str, Value]:
    tags = None if target.tags is None else strings(tuple(map(str, target.tags)))
    return present(
        markers=texts(target.markers),
        machine=target.machine,
        libc=str(target.libc) if target.libc else None,
        tags=tags,
    )


def _distribution(distribution: Distribution) -> dict[str, Value]:
    return present(
        name=distribution.name,
        version=distribution.version,
        path=distribution.path,
        site=distribution.site,
        form=distribution.form.value,
        requires=strings(distribution.requires),
        requires_python=distribution.requires_python,
        provides_extras=strings(tuple(sorted(distribution.provides_extras))),
        installer=distribution.installer,
        requested=distribution.requested,
        direct_url=_direct_url(distribution.direct_url) if distribution.direct_url else None,
        wheel=_wheel(distribution.wheel) if distribution.wheel else None,
        built_on_the_spot=distribution.built_on_the_spot,
        has_record=distribution.has_record,
        record_files=distribution.record_files,
        owner=distribution.owner,
        shadowed_by=distribution.shadowed_by,
        conda_name=distribution.conda_name,
        layer=layer_object(distribution.layer),
    )


def _direct_url(url: DirectUrl) -> dict[str, Value]:
    return present(
        url=url.url,
        kind=url.kind,
        commit=url.commit,
        requested_revision=url.requested_revision,
        editable=url.editable,
        hashes=strings(tuple(map(str, url.hashes))),
        subdirectory=url.subdirectory,
    )


def _wheel(wheel: WheelFacts) -> dict[str, Value]:
    tags = strings(tuple(sorted(map(str, wheel.tags))))
    return present(tags=tags, build=wheel.build, root_is_purelib=wheel.root_is_purelib)


def _conda(package: CondaPackage) -> dict[str, Value]:
    return present(
        name=package.name,
        version=package.version,
        build=package.build,
        channel=package.channel,
        subdir=package.subdir,
        filename=package.filename,
        url=package.url,
        path=package.path,
        md5=package.md5,
        sha256=package.sha256,
        depends=strings(package.depends),
        layer=layer_object(package.layer),
    )


def _native(native: Native) -> dict[str, Value]:
    linkage = native.linkage
    return present(
        path=native.path,
        distribution=native.distribution,
        is_module=native.is_module,
        libraries=[_library(each) for each in linkage.libraries] if linkage is not None else None,
        missing_versions=[_missing_version(each) for each in linkage.missing_versions] if linkage is not None else None,
        elf=_elf(native.elf),
        layer=layer_object(native.layer),
    )


def _library(library: Library) -> dict[str, Value]:
    return present(
        name=library.name,
        path=library.path,
        needed_by=library.needed_by,
        removed_by=layer_object(library.removed_by),
    )


def _missing_version(missing: MissingVersion) -> dict[str, Value]:
    return present(library=missing.library, path=missing.path, version=missing.version, needed_by=missing.needed_by)


def _cuda(cuda: Cuda) -> dict[str, Value]:
    return present(toolkit=cuda.toolkit, declared=cuda.declared, driver_requirement=cuda.driver_requirement)


def _cuda_build(build: CudaBuild) -> dict[str, Value]:
    return present(distribution=build.distribution, version=build.version, cuda=build.cuda, evidence=build.evidence)


def _elf(elf: ElfFacts) -> dict[str, Value]:
    needs: list[Value] = [
        present(library=need.library, version=need.version, weak=need.weak) for need in elf.version_needs
    ]
    return present(
        machine=elf.machine,
        bits=elf.bits,
        little_endian=elf.little_endian,
        interpreter=elf.interpreter,
        dynamic_known=elf.dynamic_known,
        needed=strings(elf.needed),
        soname=elf.soname,
        rpath=elf.rpath,
        runpath=elf.runpath,
        version_needs=needs,
        version_defs=strings(elf.version_defs),
        strings=strings(elf.strings),
    )


def _problem(problem: FileProblem) -> dict[str, Value]:
    return present(
        kind=problem.kind.value,
        path=problem.path,
        distribution=problem.distribution,
        expected=problem.expected,
        actual=problem.actual,
        layer=layer_object(problem.layer),
    )
