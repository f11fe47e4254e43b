"""The subwords that a model predicts, with logits that are computed for a few positions at a time.

The logits of a whole pass are the largest tensor in it, and those of padding and of the last subword serve
nothing. A pass therefore ends before the output projection where the model does nothing after it, and the
projection runs on the positions that are asked for.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from onegrain.models.batching import pad_batch
from onegrain.models.losses import IGNORED, exact_losses, precise_device
from onegrain.models.projections import TransposedWeights, projection_of
from onegrain.models.running import RunningModel
from onegrain.models.stack import current_stack

__all__ = ["Predictions", "predict", "predicts_in_blocks"]

LOGITS_AT_ONCE = 2**22
LEAST_POSITIONS = 128
"""Number of logits that are computed at a time, and the least number of positions."""


@dataclass(frozen=True, eq=False)
class Predictions:
    """The predictions of a pass.

    Attributes:
        values: (rows, time, width), what the output projection reads; the logits themselves without ``head``.
        head: the output projection, or None.
        parts: the half-open range of the rows of each variant; a single model has one.
        weights: where the transposed weights of several variants are kept; None for a single model.
    """

    values: Tensor
    head: nn.Linear | None = None
    parts: Sequence[tuple[int, int]] = ()
    weights: TransposedWeights | None = None

    @classmethod
    def of(cls, values: Tensor, head: nn.Linear | None) -> Predictions:
        """Return the predictions of a pass with the variants that are stacked in it."""
        stack = current_stack()
        if stack is None or len(stack.variants) != len(values):
            return cls(values, head, [(0, len(values))])
        return cls(values, head, stack.bounds(), stack.weights)

    def logits(self, part: int, places: Tensor) -> Tensor:
        """Return logits (n, classes) at places of a variant, int64 (n, 2): row in the variant, and time."""
        rows = self._at(part, places)
        return rows if self.head is None else F.linear(rows, self.head.weight, self.head.bias)

    def _at(self, part: int, places: Tensor) -> Tensor:
        return self.values[places[:, 0] + self.parts[part][0], places[:, 1]]

    def _projection(self, head: nn.Linear, part: int) -> Callable[[Tensor], Tensor]:
        """Return the function that projects rows of a variant, until that of another one is asked for."""
        if self.weights is None:
            return lambda rows: F.linear(rows, head.weight, head.bias)
        first, end = self.parts[part]
        return projection_of(self.values[first:end].flatten(0, 1), head.weight, head.bias, self.weights)

    def blocks(self, chosen: Tensor) -> Iterator[Tensor]:
        """Yield the places where ``chosen``, bool (rows, time), is True, int64 (n, 2), some at a time."""
        classes = self.values.shape[-1] if self.head is None else self.head.out_features
        yield from chosen.nonzero().split(max(LEAST_POSITIONS, LOGITS_AT_ONCE // max(1, classes)))

    def losses(self, wanted: Tensor) -> Tensor:
        """Return the losses (nats, float64) of subwords, int64 (rows, time), 0 for ``IGNORED``.

        They are those of :func:`onegrain.models.losses.exact_losses`, and can be differentiated if gradients
        are enabled.
        """
        if self.head is None:
            return exact_losses(self.values[:, : wanted.shape[1]], wanted)
        losses = torch.zeros(wanted.shape, dtype=torch.float64, device=precise_device(wanted))
        for part, (first, end) in enumerate(self.parts):
            targets, project = wanted[first:end], self._projection(self.head, part)
            for places in self.blocks(targets != IGNORED):
                row, time = places.unbind(1)
                each = exact_losses(project(self._at(part, places)), targets[row, time])
                row, time = places.to(losses.device).unbind(1)
                losses[first + row, time] = each
        return losses


def predict(
    loaded: RunningModel, rows: Sequence[Sequence[int]], labels: Sequence[Sequence[int]]
) -> tuple[Predictions, Tensor]:
    """Return the predictions of a pass, and the subwords to predict, int64 (batch, time).

    The subwords are ``IGNORED`` where nothing is predicted; the arguments are those of
    :func:`onegrain.models.scoring.subword_losses`.
    """
    wanted, mask = pad_batch(labels, loaded.pad_id, loaded.device)
    wanted = wanted.masked_fill(mask == 0, IGNORED)
    if loaded.task == "translation":
        return Predictions.of(loaded.model(**loaded.batch(rows), labels=wanted).logits, None), wanted
    return _predict(loaded, loaded.batch(rows)), wanted[:, 1:]


_keeps_logits: WeakKeyDictionary[nn.Module, bool] = WeakKeyDictionary()
"""Whether the logits of a model are what its output projection returns; others scale them, for example."""


def predicts_in_blocks(loaded: RunningModel) -> bool:
    """Return True if a pass can end before the output projection of a model.

    The first question about a model runs it on one short row, past the hooks of recordings and edits.
    """
    head = _head(loaded)
    if torch.is_grad_enabled() or loaded.task != "language model" or type(head) is not nn.Linear:
        return False
    if "forward" in vars(head) or head._forward_hooks or head._forward_pre_hooks:
        return False
    if loaded.model not in _keeps_logits:
        inputs = loaded.batch([[0, 0]])
        with _without_hooks(loaded.model):
            _keeps_logits[loaded.model] = _end_early(loaded.model, head, inputs) is not None
    return _keeps_logits[loaded.model]


def _head(loaded: RunningModel) -> nn.Module | None:
    head: nn.Module | None = loaded.model.get_output_embeddings()
    return head


def _predict(loaded: RunningModel, inputs: dict[str, Tensor]) -> Predictions:
    """Run a language model up to its output projection, or through it if the model changes its results."""
    if not predicts_in_blocks(loaded):
        return Predictions.of(loaded.model(**inputs).logits, None)
    head = _head(loaded)
    assert type(head) is nn.Linear
    predictions = _end_early(loaded.model, head, inputs)
    if predictions is not None:
        return predictions
    _keeps_logits[loaded.model] = (
        False  # something outside the model, such as a hook of one's own, changes them
    )
    return _predict(loaded, inputs)


def _end_early(model: nn.Module, head: nn.Linear, inputs: dict[str, Tensor]) -> Predictions | None:
    """Run a model up to its output projection; return None if its logits are not what that returns."""
    with _reading_input(head) as read:
        logits = model(**inputs).logits
    if not read:  # the model multiplies the weights itself
        return None
    # an edit that reads paired sentences runs the model inside this pass, whose own projection is the last
    values, output = read[-1]
    if _is_same(logits, output) and values.shape[:2] == inputs["input_ids"].shape:
        return Predictions.of(values, head)
    return None


@contextmanager
def _without_hooks(model: nn.Module) -> Iterator[None]:
    """Run the modules of a model without their hooks inside a block."""
    kept = [(module, module._forward_hooks, module._forward_pre_hooks) for module in model.modules()]
    try:
        for module, _, _ in kept:
            module._forward_hooks, module._forward_pre_hooks = OrderedDict(), OrderedDict()
        yield
    finally:
        for module, after, before in kept:
            module._forward_hooks, module._forward_pre_hooks = after, before


@contextmanager
def _reading_input(head: nn.Linear) -> Iterator[list[tuple[Tensor, Tensor]]]:
    """Record what a projection reads inside a block, with the one row of results that it returns everywhere."""
    read: list[tuple[Tensor, Tensor]] = []
    run = head.forward

    def forward(values: Tensor) -> Tensor:
        output = run(values[:1, -1:]).expand(*values.shape[:-1], -1)
        read.append((values, output))
        return output

    vars(head)["forward"] = forward
    try:
        yield read
    finally:
        vars(head).pop("forward", None)


def _is_same(logits: Any, output: Tensor) -> bool:
    """Return True if the logits of a model are the results of its projection, which nothing has touched."""
    return (
        isinstance(logits, Tensor)
        and logits.data_ptr() == output.data_ptr()
        and logits.shape == output.shape
        and logits.stride() == output.stride()
    )
