"""A test by trial: do a model's values for a row depend on the other rows of a padded batch?"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from weakref import WeakKeyDictionary

import torch
from torch import Tensor

from onegrain.errors import ModelError, ParameterError
from onegrain.models.heads import Head
from onegrain.models.hooks import recorded_value
from onegrain.models.passing import trial
from onegrain.models.running import RunningModel
from onegrain.models.sites import Side, SitePoint

__all__ = ["head_needs_equal_rows", "losses_need_equal_rows", "sites_need_equal_rows"]

WORDS = ("the", "a", "1", "dog", "A", "of", "rain", "in", "two", "I")
SIZES = (24, 9, 2)
"""Numbers of words of the rows that are tried together."""

CLOSE = 1e-4
STEPS = 32
"""Largest difference of equal values, relative to the largest value of their time step: in float32, and for a
narrower type in units of its precision."""

OUTPUT = "the output"

_tried: WeakKeyDictionary[Any, dict[Any, bool]] = WeakKeyDictionary()


@dataclass(frozen=True)
class _Row:
    """A row that a model reads in a trial; ``target`` is read by a decoder under teacher forcing."""

    source: list[int]
    target: list[int] | None = None

    @property
    def length(self) -> int:
        """The number of time steps on the side that is tested."""
        return len(self.source if self.target is None else self.target)


_Run = Callable[[Sequence[_Row]], dict[str, Tensor]]
"""A function from rows that are read together to the value of each site, (rows, time, width)."""


def sites_need_equal_rows(
    loaded: RunningModel, points: Sequence[SitePoint], side: Side, *, single: bool = False
) -> bool:
    """Return True if the sites' values are right only in batches of rows of one length.

    Rows of several lengths are read together and each alone, once per model and sites. If the values differ,
    rows of equal length are read together: if these agree with the row alone, such batches are needed.

    Args:
        loaded: the model.
        points: sites of the model, all of one side.
        side: the side whose words are read.
        single: True if rows are read one by one, so that only the shape of the values is checked.

    Raises:
        ModelError: a site does not hold one vector for each subword, rows first; or its values depend on the
            other rows of a batch even if all have one length.
        ParameterError: two sites hold the same values.
    """
    if not points:
        return False

    def run(rows: Sequence[_Row]) -> dict[str, Tensor]:
        with loaded.recording(points) as record:
            _forward(loaded, rows, side)
        shape = len(rows), max(row.length for row in rows)
        return {point.name: recorded_value(record, point, shape) for point in points}

    def check(values: Mapping[str, Tensor]) -> None:
        _require_different(loaded, points, values)

    rows = _rows(loaded, target=side == "target")[-1 if single else 0 :]
    return _cached(loaded, (side, single, *points), run, rows, check)


def losses_need_equal_rows(loaded: RunningModel) -> bool:
    """Return True if predictions are right only in batches of rows of one length.

    Raises:
        ModelError: predictions depend on the other rows of a batch even if all have one length.
    """
    translates = loaded.task == "translation"

    def run(rows: Sequence[_Row]) -> dict[str, Tensor]:
        output = _forward(loaded, rows, "target" if translates else "source")
        return {OUTPUT: output.logits}

    return _cached(loaded, ("logits",), run, _rows(loaded, target=translates), lambda values: None)


def head_needs_equal_rows(loaded: RunningModel, head: Head) -> bool:
    """Return True if the output of a head is right only in batches of rows of one length.

    Raises:
        ModelError: the output depends on the other rows of a batch even if all have one length.
    """

    def run(rows: Sequence[_Row]) -> dict[str, Tensor]:
        logits = head.logits([row.source for row in rows])
        return {OUTPUT: logits if logits.dim() == 3 else logits[:, None]}

    return _cached(loaded, (head.kind,), run, _rows(loaded, target=False), lambda values: None)


@torch.inference_mode()
@trial()
def _cached(
    loaded: RunningModel, key: Any, run: _Run, rows: list[_Row], check: Callable[[Mapping[str, Tensor]], None]
) -> bool:
    known = _tried.setdefault(loaded.model, {})
    if key not in known:
        known[key] = _need_equal_rows(loaded, run, rows, check)
    return known[key]


def _need_equal_rows(
    loaded: RunningModel, run: _Run, rows: list[_Row], check: Callable[[Mapping[str, Tensor]], None]
) -> bool:
    alone = [run([row]) for row in rows]
    check(alone[0])
    if len(rows) == 1 or not _differing(run(rows), rows, alone):
        return False
    for row, values in zip(rows, alone, strict=True):
        beside = _Row(row.source[::-1], None if row.target is None else row.target[::-1])
        if differing := _differing(run([beside, row]), [beside, row], [None, values]):
            raise ModelError(
                f"{loaded.identity.id}: what {differing!r} holds for a row depends on the rows beside it in a "
                "batch, even on those of its own length; read row by row, with batch_size=1 (--batch-size 1)"
            )
    return True


def _differing(
    together: Mapping[str, Tensor], rows: Sequence[_Row], alone: Sequence[Mapping[str, Tensor] | None]
) -> str | None:
    """Return the first site at which a row has other values in the batch than alone, or None."""
    for number, (row, values) in enumerate(zip(rows, alone, strict=True)):
        for name, value in (values or {}).items():
            if not _close(together[name][number, : row.length], value[0]):
                return name
    return None


def _close(first: Tensor, second: Tensor) -> bool:
    if first.shape != second.shape:
        return False
    tolerance = max(CLOSE, STEPS * torch.finfo(second.dtype).eps) if second.is_floating_point() else 0.0
    exact = torch.promote_types(second.dtype, torch.float32)
    first, second = first.to(exact), second.to(exact)
    largest = second.abs().amax(dim=-1, keepdim=True)
    both = torch.isfinite(first) & torch.isfinite(
        second
    )  # values that are not finite are refused during extraction
    return bool(((first - second).abs() <= tolerance * largest)[both].all())


def _require_different(loaded: RunningModel, points: Sequence[SitePoint], values: Mapping[str, Tensor]) -> None:
    """Refuse a module path whose values equal those of another site: its neurons would be counted twice."""
    for number, second in enumerate(points):
        for first in points[:number]:
            named = first.name in loaded.points and second.name in loaded.points
            value, other = values[first.name], values[second.name]
            if not named and value.shape == other.shape and torch.equal(value, other) and bool(value.any()):
                raise ParameterError(
                    f"the sites {first.name!r} and {second.name!r} hold the same neurons, which would count "
                    "twice: their values are equal everywhere; name only one of them"
                )


def _forward(loaded: RunningModel, rows: Sequence[_Row], side: Side) -> Any:
    sources = [row.source for row in rows]
    if side == "target":
        return loaded.forward(sources, [row.target or [] for row in rows])
    if loaded.task == "translation":
        return loaded.model.get_encoder()(**loaded.batch(sources))
    return loaded.forward(sources)


def _rows(loaded: RunningModel, *, target: bool) -> list[_Row]:
    """Return rows of several lengths that the model can read."""
    sentences = [[WORDS[word % len(WORDS)] for word in range(size)] for size in SIZES]
    sources = _fitting(loaded, [row.ids for row in loaded.encode(sentences)], "source")
    if not target:
        return [_Row(source) for source in sources]
    targets = _fitting(loaded, [row.ids for row in loaded.encode_target(sentences)], "target")
    shifted = [
        *targets[1:],
        targets[0],
    ]  # so that the longest source and the longest target are in different rows
    return [_Row(source, shown) for source, shown in zip(sources, shifted, strict=True)]


def _fitting(loaded: RunningModel, rows: Sequence[list[int]], side: Side) -> list[list[int]]:
    """Return the rows cut to what the model can read, each shorter than the one before."""
    longest = loaded.longest_on(side) or len(rows[0])
    return [(row or [loaded.pad_id])[: max(1, longest // 2**number)] for number, row in enumerate(rows)]
