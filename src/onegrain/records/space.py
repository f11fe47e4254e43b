"""The neurons of some sites: flat indices, (site, unit) pairs and names, each turned into the others."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TypeAlias

import numpy as np

from onegrain.core.patterns import match_sites, some_of
from onegrain.errors import MismatchError, ModelError, ParameterError, RecordError

__all__ = ["NeuronSpace", "Neurons"]

MOST_NEURONS = 2**40

Neurons: TypeAlias = str | Sequence[str | int] | np.ndarray
"""A name ``site:unit``, or a sequence of names and flat indices, or a bool mask of all neurons."""


@dataclass(frozen=True)
class NeuronSpace:
    """The neurons of some sites, numbered site after site.

    Attributes:
        sites: site names, in the order in which their neurons are concatenated.
        widths: neurons of each site.

    >>> space = NeuronSpace(("layers.0", "layers.1"), (4, 4))
    >>> space.name(5), space.index("layers.1", 1), space.parse("layers.1:1")
    ('layers.1:1', 5, 5)
    >>> space.indices(["layers.1:1", 0]).tolist()
    [5, 0]
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
        """Return the flat indices of one site, as a slice."""
        number = self._site_number(site)
        return slice(int(self._starts[number]), int(self._starts[number + 1]))

    def index(self, site: str, unit: int) -> int:
        """Return the flat index of a (site, unit) pair.

        Raises:
            ModelError: the space has no such site, or the site has no such unit.
        """
        span = self.slice(site)
        if not 0 <= unit < span.stop - span.start:
            raise ModelError(f"site {site!r} has units 0..{span.stop - span.start - 1}, not {unit}")
        return span.start + unit

    def locate(self, index: int) -> tuple[str, int]:
        """Return the (site, unit) pair of a flat index."""
        self._require_inside(index)
        number = int(np.searchsorted(self._starts, index, side="right")) - 1
        return self.sites[number], int(index - self._starts[number])

    def name(self, index: int) -> str:
        """Return the name ``site:unit`` of a flat index."""
        site, unit = self.locate(index)
        return f"{site}:{unit}"

    def parse(self, name: str) -> int:
        """Return the flat index of a neuron written ``site:unit``.

        Raises:
            ParameterError: the name is not of this form.
            ModelError: the space has no such neuron; the message lists the sites.
        """
        site, colon, unit = name.rpartition(":")
        if not colon or not unit.isdecimal():
            raise ParameterError(f"{name!r} is not a neuron; write SITE:UNIT, e.g. {self.name(0)}")
        try:
            return self.index(site, int(unit))
        except ModelError as error:
            raise ModelError(f"no neuron {name!r}: {error}") from None

    def indices(self, neurons: Neurons) -> np.ndarray:
        """Return neurons as flat indices (int64), in the order in which they are named.

        Every function that takes neurons reads them here.

        Args:
            neurons: one name ``site:unit``, or a sequence of names and flat indices, or a bool mask of all
                neurons of the space. An empty sequence is allowed.

        Raises:
            ParameterError: an index outside the space, a mask of another size, or a value that is neither a
                name nor a whole number.
            ModelError: a name of a neuron that is not in the space; the message lists the sites.
        """
        if isinstance(neurons, str):
            return np.array([self.parse(neurons)], dtype=np.int64)
        named = not isinstance(neurons, np.ndarray) or neurons.dtype.kind in "UO"
        numbers = [self.parse(n) if isinstance(n, str) else n for n in neurons] if named else neurons
        array = np.asarray(numbers)
        if array.dtype == bool:
            if array.shape != (self.size,):
                raise ParameterError(f"a mask of {array.size} for {self.size} neurons")
            return np.flatnonzero(array)
        if array.size and (array.ndim != 1 or array.dtype.kind not in "iu"):
            raise ParameterError(
                f"neurons must be names such as {self.name(0)!r} or whole numbers, got {numbers!r:.60}"
            )
        if array.size:
            self._require_inside(int(array.min()) if array.min() < 0 else int(array.max()))
        return array.astype(np.int64).reshape(-1)

    def _require_inside(self, index: int) -> None:
        if not 0 <= index < self.size:
            raise ParameterError(f"neuron {index} is outside 0..{self.size - 1}")

    def columns(self) -> tuple[list[str], np.ndarray]:
        """Return the site name and the unit (int64) of every neuron, in flat order."""
        names = [site for site, width in zip(self.sites, self.widths, strict=True) for _ in range(width)]
        units = np.concatenate([np.arange(width, dtype=np.int64) for width in self.widths])
        return names, units

    def restrict(self, patterns: str | Iterable[str] | None) -> tuple[NeuronSpace, np.ndarray]:
        """Return the space of the sites that match, and the flat indices (int64) of its neurons in this one."""
        matching = match_sites(self.sites, patterns)
        width = dict(zip(self.sites, self.widths, strict=True))
        spans = [np.arange(span.start, span.stop, dtype=np.int64) for span in map(self.slice, matching)]
        return NeuronSpace(tuple(matching), tuple(width[site] for site in matching)), np.concatenate(spans)

    def by_site(self, neurons: Neurons) -> dict[str, np.ndarray]:
        """Group neurons by site: the units (int64, ascending) of every site that has any of them."""
        flat = np.sort(self.indices(neurons))
        groups: dict[str, np.ndarray] = {}
        for site in self.sites:
            span = self.slice(site)
            inside = flat[(flat >= span.start) & (flat < span.stop)]
            if inside.size:
                groups[site] = inside - span.start
        return groups

    def require_same(self, other: NeuronSpace, what: str) -> None:
        """Raise MismatchError unless the other space has the same sites and widths."""
        if self != other:
            raise MismatchError(f"{what}: expected neurons of {self.describe()}, got {other.describe()}")

    def describe(self) -> str:
        """Return every site with its width, in one line."""
        pairs = zip(self.sites, self.widths, strict=True)
        return ", ".join(f"{site} ({width})" for site, width in pairs)

    def to_json(self) -> dict[str, list]:
        """Return the space as plain lists."""
        return {"sites": list(self.sites), "widths": list(self.widths)}

    @classmethod
    def from_json(cls, value: dict[str, list]) -> NeuronSpace:
        """Return the space that :meth:`to_json` wrote.

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
