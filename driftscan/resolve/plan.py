"""What is to be locked, for what and with what: all that is known before anybody is asked."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from packaging.utils import NormalizedName

from driftscan import markers
from driftscan.errors import ResolveError
from driftscan.model.lock import Lock, OriginKind
from driftscan.resolve.inputs import Inputs
from driftscan.resolve.places import Place
from driftscan.resolve.question import Engine, Pin, Question, Running


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What is to be locked, for what, and with what.

    Without `places` it is for all platforms and all Pythons from `python` on, and proved on the `samples` too.
    `previous` is the lock whose pins are kept, apart from those of `upgraded` projects. What is `in_use` may have been
    yanked. `cache` is the folder of what is remembered of indexes, if any.
    """

    inputs: Inputs
    engine: Engine
    places: tuple[Place, ...] = ()
    samples: tuple[Place, ...] = ()
    python: str = ""
    indexes: tuple[str, ...] = ()
    folders: tuple[str, ...] = ()
    cutoff: str | None = None
    previous: Lock | None = None
    upgraded: frozenset[NormalizedName] = frozenset()
    in_use: frozenset[NormalizedName] = frozenset()
    allow_builds: bool = False
    cache: str | None = None

    def question(self, place: Place | None, pins: Sequence[Pin]) -> Question:
        return Question(
            requirements=self.inputs.requirements,
            constraints=self.inputs.constraints,
            place=place,
            python=place.python if place is not None else self.python,
            indexes=self.indexes,
            folders=self.folders,
            cutoff=self.cutoff,
            pins=tuple(pins),
            prereleases=self.inputs.prereleases,
            allow_builds=self.allow_builds,
            no_binary=self.inputs.no_binary,
            cache=self.cache,
        )

    def pins(self, place: Place | None, dropped: frozenset[NormalizedName]) -> Iterator[Pin]:
        """What to keep of the previous lock in one place."""
        for root in self.previous.roots if self.previous is not None else ():
            for key in root.candidates:
                if (
                    key.version is None
                    or key.origin.kind is not OriginKind.INDEX
                    or key.name in self.upgraded | dropped
                ):
                    continue
                if place is None:
                    yield Pin(key.name, key.version, root.marker)
                elif markers.evaluate(root.marker, place.target.markers) is not False:
                    yield Pin(key.name, key.version)

    def begin(self) -> Running:
        """Ask the engine for the first place; ResolveError where it cannot be asked for one of them."""
        for place in self.places or (None,):
            if (reason := self.engine.refusal(self.question(place, ()))) is not None:
                other = "pip-tools" if self.engine.name == "uv" else "uv"
                raise ResolveError(reason, hint=f"--engine {other}")
        place = self.places[0] if self.places else None
        return self.engine.begin(self.question(place, list(self.pins(place, frozenset()))))
