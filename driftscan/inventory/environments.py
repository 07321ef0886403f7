"""Environments: prefixes that Python packages are installed in, and what each of them imports from."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from driftscan.inventory import interpreters
from driftscan.inventory.distributions import Context
from driftscan.inventory.interpreters import Described, Hints
from driftscan.inventory.paths import child, join, name, parent, shown
from driftscan.inventory.survey import Survey
from driftscan.inventory.versions import Claim
from driftscan.model.image import EntryKind, ImageConfig
from driftscan.model.inventory import EnvironmentKind, Interpreter
from driftscan.model.lock import Unchecked
from driftscan.model.target import Target
from driftscan.rootfs import RootFS

_LIBRARIES = ("lib", "lib64")
_PYTHON_DIRECTORY = re.compile(r"(?:python|pypy)3(?:\.\d{1,2})?t?")
_BINARIES = ("python", "python3", "pypy3", "pypy")
_MAX_PTH_LINES = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """An environment before its distributions are read. Paths are without a leading slash.

    `own` are its site directories, `inherited` those of its base and of the user, `extra` what PYTHONPATH and `.pth`
    files add: their modules are the project's own source, so nobody has to own them.
    """

    path: str
    kind: EnvironmentKind
    described: Described
    own: tuple[str, ...]
    before: tuple[str, ...] = ()
    inherited: tuple[str, ...] = ()
    extra: tuple[str, ...] = ()
    unchecked: tuple[Unchecked, ...] = ()

    @property
    def search_path(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys((*self.before, *self.own, *self.inherited, *self.extra)))


class _Finder:
    def __init__(self, context: Context, config: ImageConfig, survey: Survey) -> None:
        self.context = context
        self.rootfs = context.rootfs
        self.config = config
        self.survey = survey
        version = config.env.get("PYTHON_VERSION")
        self.stated = (Claim(version, "PYTHON_VERSION"),) if version else ()
        self.described: dict[tuple[str, Hints], Described] = {}

    def describe(self, binary: str, hints: Hints) -> Described:
        key = (binary, hints)
        if key not in self.described:
            self.described[key] = interpreters.describe(self.rootfs, self.context.os_index, binary, hints)
        return self.described[key]

    def sites(self, prefix: str, folder: str = "site-packages") -> tuple[str, ...]:
        """Real paths of the directories `prefix/lib*/pythonX.Y/site-packages` that exist."""
        found = (
            self.rootfs.resolve(f"{child(prefix, library)}/{entry}/{folder}")
            for library in _LIBRARIES
            for entry in self.rootfs.children(child(prefix, library))
            if _PYTHON_DIRECTORY.fullmatch(entry)
        )
        return tuple(dict.fromkeys(path for path in found if path is not None and is_directory(self.rootfs, path)))


def is_directory(rootfs: RootFS, path: str) -> bool:
    node = rootfs.get(path)
    return node is not None and node.entry.kind is EntryKind.DIRECTORY


def find(context: Context, config: ImageConfig, survey: Survey) -> tuple[Place, ...]:
    """Every environment in the image, sorted by path; those that share a prefix by interpreter."""
    finder = _Finder(context, config, survey)
    prefixes = _prefixes(finder)
    venvs = [_venv(finder, path, prefixes) for path in survey.venvs]
    places = _complete(finder, (*prefixes, *venvs))
    return tuple(sorted(places, key=lambda place: (place.path, place.described.interpreter.executable)))


def _prefixes(finder: _Finder) -> list[Place]:
    """Interpreters with a standard library of their own, conda prefixes among them."""
    venvs = set(finder.survey.venvs)
    condas = {path for path in finder.survey.condas if _is_conda(finder.rootfs, path)}
    places: dict[tuple[str, str], Place] = {}
    for link in finder.survey.binaries:
        binary = finder.rootfs.resolve(link)
        if binary is None or parent(parent(binary)) in venvs or not _is_executable(finder.rootfs, binary):
            continue
        described = finder.describe(binary, Hints(None, finder.stated))
        stdlib = (described.interpreter.stdlib or "").lstrip("/")
        if stdlib:
            prefix = parent(parent(stdlib))
            kind = EnvironmentKind.CONDA if prefix in condas else EnvironmentKind.PREFIX
            place = Place(path=prefix, kind=kind, described=described, own=_own_sites(finder, prefix, stdlib))
            places.setdefault((prefix, stdlib), place)
    with_python = {place.path for place in places.values()}
    return [*places.values(), *(_bare_conda(path) for path in sorted(condas - with_python))]


def _is_executable(rootfs: RootFS, path: str) -> bool:
    node = rootfs.lookup(path)
    return node is not None and node.entry.kind is EntryKind.FILE and node.entry.elf is not None


def _is_conda(rootfs: RootFS, path: str) -> bool:
    folder = child(path, "conda-meta")
    return any(entry == "history" or entry.endswith(".json") for entry in rootfs.children(folder))


def _bare_conda(path: str) -> Place:
    """A conda prefix without Python: its packages can still be compared."""
    described = _unknown(child(path, "bin/python"), "none is there")
    return Place(path=path, kind=EnvironmentKind.CONDA, described=described, own=())


def _unknown(executable: str, why: str) -> Described:
    interpreter = Interpreter(executable=shown(executable))
    return Described(interpreter, Target(), (Unchecked(f"the interpreter {shown(executable)}", why),))


def _own_sites(finder: _Finder, prefix: str, stdlib: str) -> tuple[str, ...]:
    """Site directories of an interpreter's prefix, in import order, with the rules of Debian and Fedora."""
    version = name(stdlib)
    candidates = [f"{child(prefix, library)}/{version}/site-packages" for library in reversed(_LIBRARIES)]
    if version.startswith("pypy"):
        candidates.append(f"{prefix}/site-packages")
    if prefix == "usr":
        local = "usr/local/lib"
        if finder.context.os_index.is_debian:
            folders = (f"{local}/{version}", "usr/lib/python3", f"usr/lib/{version}")
            candidates = [f"{folder}/dist-packages" for folder in folders]
        elif finder.context.os_index.has_rpm and finder.rootfs.get(f"{local}/{version}/os.py") is None:
            candidates = [f"usr/local/lib64/{version}/site-packages", f"{local}/{version}/site-packages", *candidates]
    real = (finder.rootfs.resolve(path) for path in candidates if is_directory(finder.rootfs, path))
    return tuple(dict.fromkeys(path for path in real if path is not None))


def _venv(finder: _Finder, path: str, prefixes: Iterable[Place]) -> Place:
    data = finder.rootfs.read(child(path, "pyvenv.cfg"))
    settings = _settings(data or b"")
    home = join("", settings.get("home", "")) if settings.get("home") else None
    version = settings.get("version") or settings.get("version_info")
    stated = (Claim(version, shown(child(path, "pyvenv.cfg"))),) if version else ()
    described = _venv_interpreter(finder, path, Hints(home, (*stated, *finder.stated)))
    inherited: tuple[str, ...] = ()
    if settings.get("include-system-site-packages", "").lower() == "true":
        stdlib = described.interpreter.stdlib
        inherited = next((place.own for place in prefixes if place.described.interpreter.stdlib == stdlib), ())
    return Place(
        path=path,
        kind=EnvironmentKind.VENV,
        described=described,
        own=finder.sites(path),
        inherited=inherited,
        unchecked=tuple(_venv_unchecked(finder.rootfs, path, data, is_known=bool(described.target.markers))),
    )


def _venv_unchecked(rootfs: RootFS, path: str, settings: bytes | None, *, is_known: bool) -> Iterator[Unchecked]:
    """`is_known` is whether its interpreter was found, be it where its settings say."""
    if settings is None:
        cfg = child(path, "pyvenv.cfg")
        yield Unchecked(shown(cfg), f"it {_unread(rootfs, cfg)}, so whether this is an environment is not known")
    if not is_known:
        return
    links = [link for entry in _BINARIES if rootfs.lookup(link := child(path, f"bin/{entry}")) is not None]
    if links and all(rootfs.get(link) is None for link in links):
        yield Unchecked(shown(links[0]), "it is a link that leads nowhere, so whether Python starts there is not known")


def _unread(rootfs: RootFS, path: str) -> str:
    return "is too large to be read" if rootfs.get(path) is not None else "is a link that leads nowhere"


def _settings(data: bytes) -> Mapping[str, str]:
    pairs = (line.partition("=") for line in data.decode("utf-8", "replace").splitlines())
    return {key.strip().lower(): value.strip() for key, sign, value in pairs if sign}


def _venv_interpreter(finder: _Finder, path: str, hints: Hints) -> Described:
    links = [child(path, f"bin/{entry}") for entry in _BINARIES]
    if hints.home is not None:
        links += [child(hints.home, entry) for entry in ("python3", "python", "pypy3", "pypy")]
    for link in links:
        binary = finder.rootfs.resolve(link)
        if binary is not None and _is_executable(finder.rootfs, binary):
            return finder.describe(binary, hints)
    home = shown(hints.home) if hints.home is not None else "no folder"
    return _unknown(child(path, "bin/python"), f"its pyvenv.cfg names {home} as home, and no interpreter is there")


def _complete(finder: _Finder, places: Iterable[Place]) -> list[Place]:
    """Adds what the configuration and `.pth` files put on the search path, and merges what is one place."""
    unique: dict[tuple[str, str], Place] = {}
    for place in places:
        user = _user_sites(finder, place)
        before = _python_path(finder) if place.described.target.markers else ()
        inherited = (*place.inherited, *user) if place.kind is EnvironmentKind.VENV else place.inherited
        own = place.own if place.kind is EnvironmentKind.VENV else (*user, *place.own)
        extra, unchecked = _pth_paths(finder.rootfs, (*own, *inherited))
        unique.setdefault(
            (place.path, place.described.interpreter.executable),
            Place(
                path=place.path,
                kind=place.kind,
                described=place.described,
                own=tuple(dict.fromkeys(own)),
                before=before,
                inherited=tuple(dict.fromkeys(inherited)),
                extra=extra,
                unchecked=(*place.unchecked, *place.described.unchecked, *unchecked),
            ),
        )
    return list(unique.values())


def _user_sites(finder: _Finder, place: Place) -> tuple[str, ...]:
    """The per-user site directory, for interpreters that use it: not in a closed virtual environment."""
    if place.kind is EnvironmentKind.VENV and not place.inherited:
        return ()
    minor = place.described.target.markers.get("python_version")
    if minor is None or "PYTHONNOUSERSITE" in finder.config.env:
        return ()
    base = finder.config.env.get("PYTHONUSERBASE") or f"{home_of(finder.rootfs, finder.config)}/.local"
    path = finder.rootfs.resolve(f"{base}/lib/python{minor}/site-packages")
    return (path,) if path is not None and is_directory(finder.rootfs, path) else ()


def home_of(rootfs: RootFS, config: ImageConfig) -> str:
    """Home directory of the user that the image runs as."""
    user = config.user.partition(":")[0] or "root"
    for line in (rootfs.read("etc/passwd") or b"").decode("utf-8", "replace").splitlines():
        fields = line.split(":")
        if len(fields) >= 6 and user in (fields[0], fields[2]):
            return fields[5]
    return config.env.get("HOME") or ("/root" if user in ("root", "0") else f"/home/{user}")


def _python_path(finder: _Finder) -> tuple[str, ...]:
    entries = finder.config.env.get("PYTHONPATH", "").split(":")
    paths = (join(finder.config.working_dir.lstrip("/"), entry) for entry in entries if entry)
    real = (finder.rootfs.resolve(path) for path in paths if path)
    return tuple(dict.fromkeys(path for path in real if path is not None and is_directory(finder.rootfs, path)))


def _pth_paths(rootfs: RootFS, sites: Iterable[str]) -> tuple[tuple[str, ...], tuple[Unchecked, ...]]:
    """Directories that the `.pth` files of these site directories add. Lines with `import` are code, never run."""
    found: dict[str, None] = {}
    unchecked: list[Unchecked] = []
    for site in sites:
        for entry in rootfs.children(site):
            if not entry.endswith(".pth") or entry.startswith("."):
                continue
            node = rootfs.get(child(site, entry))
            if node is None or node.entry.kind is not EntryKind.FILE:
                continue  # Python passes over what it cannot open
            data = node.entry.content
            lines = (data or b"").decode("utf-8", "replace").splitlines()
            if data is None or len(lines) > _MAX_PTH_LINES:
                unchecked.append(Unchecked(shown(child(site, entry)), "it is too large to be read as a .pth file"))
                continue
            found |= dict.fromkeys(_directories(rootfs, site, lines))
    return tuple(found), tuple(unchecked)


def _directories(rootfs: RootFS, site: str, lines: Iterable[str]) -> list[str]:
    found = []
    for line in lines:
        text = line.strip()
        if text and not text.startswith("#") and not line.startswith(("import ", "import\t")):
            path = join(site, text)
            real = rootfs.resolve(path) if path else None
            if real is not None and is_directory(rootfs, real):
                found.append(real)
    return found
