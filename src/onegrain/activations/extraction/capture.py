"""Copy the values of words as the forward pass reaches each site, while they are still in the CPU caches."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import numpy as np
import torch
from jaxtyping import Float32
from torch import Tensor

from onegrain.activations.extraction.alignment import join
from onegrain.activations.extraction.encoding import EncodedRow
from onegrain.errors import ModelError
from onegrain.models.hooks import Edit, Recording, recorded_value
from onegrain.models.sites import SitePoint
from onegrain.records.space import NeuronSpace

__all__ = ["Capture", "EveryValueRead"]

Refuse = Callable[[Tensor, SitePoint, np.ndarray], ModelError]
"""Returns the error for values (words, width) of a site that are not all finite, given their word indices."""


class EveryValueRead(BaseException):
    """Raised inside a forward pass when the values of all sites have been read, to end the pass."""


class Capture:
    """A collector that copies the values of the sites in one forward pass into an array of words by neurons.

    Args:
        points: the sites.
        space: their neurons, in the same order.
        rows: the rows of subwords in this forward pass.
        into: float32 (words, neurons), receives the values.
        base: index of the word that the first row of ``into`` holds.
        refuse: returns the error for a value that is not finite.
        stop: True to raise :class:`EveryValueRead` as soon as every site has passed its value.
    """

    def __init__(
        self,
        points: Sequence[SitePoint],
        space: NeuronSpace,
        rows: Sequence[EncodedRow],
        into: Float32[np.ndarray, "words neurons"],
        base: int,
        refuse: Refuse,
        *,
        stop: bool = False,
    ) -> None:
        self._points = points
        self._space = space
        self._into = torch.from_numpy(into)
        self._refuse = refuse
        self._stop = stop
        longest = max(len(row.ids) for row in rows)
        self._shape = len(rows), longest
        self._words = np.concatenate([row.words for row in rows])
        self._places = torch.from_numpy(self._words - base)
        self._times = torch.from_numpy(
            np.concatenate([index * longest + row.positions for index, row in enumerate(rows)])
        )
        self._counts = np.concatenate([row.counts for row in rows])
        self._passed: set[str] = set()
        self._waiting: dict[str, Tensor] = {}
        self._record = Recording()

    def edits(self) -> dict[SitePoint, Edit]:
        """Return hooks that record each site's value without changing it."""
        return {point: partial(self._look, point) for point in self._points}

    def finish(self) -> None:
        """Copy the values that could not be copied during the pass: decoder steps, and values on other devices.

        Raises:
            ModelError: a site did not run exactly once or does not give one vector per subword, or a value is
                not finite.
        """
        for point in self._points:
            if point.name in self._record or point.name not in self._passed:
                self._put(point, self._chosen(self._recorded(point)))
            elif point.name in self._waiting:
                self._put(point, self._waiting[point.name])

    def _look(self, point: SitePoint, value: Tensor) -> Tensor:
        if point.name in self._passed or tuple(value.shape[:-1]) != self._shape:
            self._record.add(point.name, value)
            return value
        self._passed.add(point.name)
        rows = self._chosen(value)
        if value.device.type == "cpu":
            self._put(point, rows)
        else:  # copying now would stall the device
            self._waiting[point.name] = rows
        if self._stop and len(self._passed) == len(self._points):
            raise EveryValueRead
        return value

    def _chosen(self, value: Tensor) -> Tensor:
        """Return the values (subwords, width) of the subwords that are read."""
        return value.detach().flatten(0, 1).index_select(0, self._times.to(value.device))

    def _put(self, point: SitePoint, rows: Tensor) -> None:
        taken = rows.float().cpu()
        if len(taken) != len(self._counts):
            taken = torch.from_numpy(join(taken.numpy(), self._counts))
        # the sum of many finite values may itself not be finite
        if not bool(torch.isfinite(taken.sum())) and not bool(torch.isfinite(taken).all()):
            raise self._refuse(taken, point, self._words)
        columns = self._space.slice(point.name)
        self._into[:, columns].index_copy_(0, self._places, taken)

    def _recorded(self, point: SitePoint) -> Tensor:
        if point.name in self._passed:
            raise ModelError(
                f"site {point.name!r} runs more than once in one forward pass; choose a module that runs once"
            )
        return recorded_value(self._record, point, self._shape)
