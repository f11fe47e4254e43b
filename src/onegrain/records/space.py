"""Where a flat neuron index meets its (site, unit) pair: the only place that knows."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from onegrain.core.patterns import match_sites, some_of
from onegrain.errors import MismatchError, ModelError, ParameterError, RecordError

__all__ = ["NeuronSpace"]

MOST_NEURONS = 2**40


@dataclass(frozen=True)
class NeuronSpace:
    """The neurons of some sites, numbered site after site.

    Attributes:
        sites: site names, in the order in which their neurons are concatenated.
        widths: neurons of each site.

    >>> space = NeuronSpace(("layers.0", "layers.1"), (4, 4))
    >>> space.name(5), space.index("layers.1", 1), space.parse("layers.1:1")
    ('layers.1:1', 5, 5)
    """

    sites: tuple[str, ...]
    widths: tuple[int, ...]

    def __post_init__(self) -> None:
        if len(self.sites) != len(self.widths):
            raise ParameterError(f"{len(self.sites)} sites but {len(self.widths)} widths")
        if len(set(self.sites)) != len(self.sites):
            raise ParameterError(f"a site is named twice: {', '.join(self.sites)}")
        if any(width < 1 for width in self.widths):
            raise ParameterError(f"every site needs at least one neuron, got widths {self.widths}")

    @property
    def size(self) -> int:
        """Number of neurons in all sites together."""
        return sum(self.widths)

    def __len__(self) -> int:
        return self.size

    @cached_property
    def _starts(self) -> np.ndarray:
        return np.concatenate([[0], np.cumsum(self.widths)]).astype(np.int64)

    def slice(self, site: str) -> slice:
        """The flat indices of one site, as a slice."""
        at = self._site_number(site)
        return slice(int(self._starts[at]), int(self._starts[at + 1]))

    def index(self, site: str, unit: int) -> int:
        """The flat index of a (site, unit) pair."""
        where = self.slice(site)
        if not 0 <= unit < where.stop - where.start:
            raise ModelError(f"site {site!r} has units 0..{where.stop - where.start - 1}, not {unit}")
        return where.start + unit

    def locate(self, index: int) -> tuple[str, int]:
        """The (site, unit) pair of a flat index."""
        if not 0 <= index < self.size:
            raise ParameterError(f"neuron {index} is outside 0..{self.size - 1}")
        at = int(np.searchsorted(self._starts, index, side="right")) - 1
        return self.sites[at], int(index - self._starts[at])

    def name(self, index: int) -> str:
        """A neuron as it prints: ``site:unit``."""
        site, unit = self.locate(index)
        return f"{site}:{unit}"

    def parse(self, name: str) -> int:
        """The flat index of a neuron written ``site:unit``."""
        site, colon, unit = name.rpartition(":")
        if not colon or not unit.isdigit():
            raise ParameterError(f"{name!r} is not a neuron; write SITE:UNIT, e.g. {self.name(0)}")
        return self.index(site, int(unit))

    def columns(self) -> tuple[list[str], np.ndarray]:
        """Site name and unit (int64) of every neuron, in flat order."""
        names = [site for site, width in zip(self.sites, self.widths, strict=True) for _ in range(width)]
        units = np.concatenate([np.arange(width, dtype=np.int64) for width in self.widths])
        return names, units

    def restrict(self, patterns: str | Iterable[str] | None) -> tuple[NeuronSpace, np.ndarray]:
        """The sub-space of the sites that match, and the flat indices (int64) that it keeps."""
        kept = match_sites(self.sites, patterns)
        width = dict(zip(self.sites, self.widths, strict=True))
        keep = [np.arange(s.start, s.stop, dtype=np.int64) for s in map(self.slice, kept)]
        return NeuronSpace(tuple(kept), tuple(width[site] for site in kept)), np.concatenate(keep)

    def by_site(self, indices: np.ndarray) -> dict[str, np.ndarray]:
        """Group flat indices by site: the units (int64, ascending) of every site that has any."""
        flat = np.sort(np.asarray(indices, dtype=np.int64))
        groups: dict[str, np.ndarray] = {}
        for site in self.sites:
            where = self.slice(site)
            inside = flat[(flat >= where.start) & (flat < where.stop)]
            if inside.size:
                groups[site] = inside - where.start
        return groups

    def require_same(self, other: NeuronSpace, what: str) -> None:
        """Raise MismatchError unless the other space has the same sites and widths."""
        if self != other:
            raise MismatchError(f"{what}: expected neurons of {self.describe()}, got {other.describe()}")

    def describe(self) -> str:
        """One line: every site with its width."""
        pairs = zip(self.sites, self.widths, strict=True)
        return ", ".join(f"{site} ({width})" for site, width in pairs)

    def to_json(self) -> dict[str, list]:
        """The space as plain lists."""
        return {"sites": list(self.sites), "widths": list(self.widths)}

    @classmethod
    def from_json(cls, value: dict[str, list]) -> NeuronSpace:
        """The inverse of :meth:`to_json`.

        Raises:
            RecordError: the value is not that of a space.
        """
        sites, widths = (value.get(key) if isinstance(value, dict) else None for key in ("sites", "widths"))
        if not isinstance(sites, list) or not all(isinstance(site, str) for site in sites):
            raise RecordError("the space has no list of site names")
        if not isinstance(widths, list) or not all(type(width) is int for width in widths):
            raise RecordError("the space has no list of widths, whole numbers")
        if sum(widths) > MOST_NEURONS:
            raise RecordError(f"the space has {sum(widths)} neurons; a record holds up to {MOST_NEURONS}")
        try:
            return cls(tuple(sites), tuple(widths))
        except ParameterError as error:
            raise RecordError(f"the space is damaged: {error}") from error

    def _site_number(self, site: str) -> int:
        try:
            return self.sites.index(site)
        except ValueError:
            raise ModelError(f"no site {site!r}; the sites are: {some_of(self.sites)}") from None
