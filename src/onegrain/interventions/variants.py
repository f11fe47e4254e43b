"""Several variants of a model, in passes that the variants share."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import Any, TypeVar

import numpy as np
import torch
from torch import Tensor

from onegrain.errors import OnegrainError
from onegrain.interventions.editing import RunningEdit, running_edits
from onegrain.interventions.intervention import Intervention
from onegrain.interventions.references import References
from onegrain.models import LoadedModel
from onegrain.models.hooks import edited, replacing
from onegrain.models.passing import Passing, current_rows, is_followed, is_trial, reading_rows, trial
from onegrain.models.prefix import Place, Prefix, place_of, record_prefix, replaying
from onegrain.models.projections import TransposedWeights, leaving_out_constants
from onegrain.models.stack import Stack, current_stack, stacked
from onegrain.models.stacking import RowPass, answering
from onegrain.records.corpus import Corpus
from onegrain.records.statistics import NeuronStatistics

__all__ = ["UnsharedError", "Variants"]

BUDGET = 2**28
STEP_BUDGET = 2**30
"""Bytes that the values of one pass may take, and of a generation, whose passes are single steps. The number of
variants in a pass follows from it. Large tensors of a whole pass would leave the processor's caches."""

CLOSE = 1e-4
STEPS = 32
"""Largest relative difference between equal losses: in float32, and for a narrower type in units of its
precision."""

TRIED = 4
"""Rows on which a variant is compared with the same variant alone."""

Result = TypeVar("Result")


class UnsharedError(Exception):
    """Raised if variants cannot be measured together; each alone, they can."""


class Variants:
    """Several variants of a model, whose passes run together.

    The rows of a pass are read once up to the lowest edited place, and from there on once for each variant, the
    rows of one variant after those of another. Each variant edits its own rows exactly as it would alone.

    Work with the model, such as measuring a metric, is done for one variant after the other. Its passes
    (:func:`onegrain.models.stacking.run_rows`) run for all variants when the first variant asks for them; the
    others receive what was kept for them. A variant on the first rows is compared with the same variant alone.

    Args:
        model: the model.
        variants: the interventions that are applied together, for each variant.
        reference: statistics of a reference, for the edits that need some.
        pairs: for ``interchange``, a corpus whose sentence i is the pair of the metric's sentence i.
        weights: where transposed weights of the model are kept; of these variants only by default.

    Attributes:
        refused: the error of the first variant that is not possible on this model; it and those after it are
            left out. None if all are possible.
        has_read: True once rows were read.
    """

    def __init__(
        self,
        model: LoadedModel,
        variants: Sequence[Sequence[Intervention]],
        *,
        reference: NeuronStatistics | None,
        pairs: Corpus | None,
        weights: TransposedWeights | None = None,
    ) -> None:
        self._model = model
        self._passing = Passing(model.model, model.task == "translation", model.pad_id)
        self._edits: list[list[RunningEdit]] = []
        self.refused: OnegrainError | None = None
        references: References | None = None
        for variant in variants:
            try:
                References(model, [each.edit for each in variant], reference, pairs)
                references = references or References(model, [], reference, pairs)
                self._edits.append(running_edits(model, variant, references, self._passing))
            except OnegrainError as error:
                self.refused = error
                break
        self._places = [{place_of(edit.point) for edit in edits} for edits in self._edits]
        self._calls: list[tuple[Sequence[Any], list[tuple[Any, ...]]]] = []
        self._order: dict[Place, int] | None = None
        self._variant = self._call = 0
        self._running = self.has_read = False
        self._weights = weights or TransposedWeights()

    @staticmethod
    def supports(model: LoadedModel) -> bool:
        """Return False if something else changes what the model's modules do: edits, hooks, several devices."""
        network = model.model
        return not (is_followed(network) or hasattr(network, "hf_device_map") or _has_hooks(network))

    def each(self, work: Callable[[], Result]) -> Iterator[Result | None]:
        """Yield the result of some work for each variant, None for one of which an edit touched no value.

        Raises:
            OnegrainError: the error of the first variant that is not possible, after those before it.
            UnsharedError: the work passes the model otherwise than by ``run_rows``, or asks different
                questions of different variants, or a variant has other results among the others than alone.
        """
        for variant, edits in enumerate(self._edits):
            self._variant, self._call = variant, 0
            with self._passing.following(), self._guarding(), answering(self._answer):
                result = work()
            yield result if all(edit.touched for edit in edits) else None
        if self.refused is not None:
            raise self.refused

    @contextmanager
    def _guarding(self) -> Iterator[None]:
        """Refuse passes that nobody answers: they would reach the model without its edits.

        Nobody runs the output projection alone, and a projection with hooks cannot be left out of a pass.
        """

        def refuse(*_: Any) -> None:
            if not self._running and not is_trial():
                raise UnsharedError

        head = self._model.model.get_output_embeddings()
        with ExitStack() as stack:
            for module in self._model.model.modules():
                if module is head:
                    continue
                stack.callback(module.register_forward_pre_hook(refuse).remove)
            yield

    def _answer(self, request: RowPass) -> tuple[Any, ...]:
        """Return the result of a pass for the variant that is measured."""
        call = self._call
        self._call += 1
        if call == len(self._calls):
            if self._variant:
                raise UnsharedError
            self._running = self.has_read = True
            try:
                self._calls.append((request.rows, self._run(request)))
            finally:
                self._running = False
        rows, results = self._calls[call]
        if rows is not request.rows and list(rows) != list(request.rows):
            raise UnsharedError
        return results[self._variant]

    def _run(self, request: RowPass) -> list[tuple[Any, ...]]:
        """Run a pass for all variants; return the result of each."""
        rows, reading = len(request.rows), current_rows()
        if reading is not None and len(reading.sentences) != rows:
            raise UnsharedError
        results: list[tuple[Any, ...]] = [()] * len(self._edits)
        request.run_untouched()
        prefix: Prefix | None = None
        for chunk in self._chunks(request):
            prefix = self._prefix(request, chunk, prefix)
            repeated = np.tile(np.arange(rows), len(chunk))
            with ExitStack() as stack:
                stack.enter_context(stacked(Stack.of(len(chunk), rows, self._weights)))
                if reading is not None:
                    stack.enter_context(reading_rows(reading.take(repeated)))
                stack.enter_context(replaying(prefix, len(chunk)))
                stack.enter_context(self._editing(chunk))
                if request.prefix is None and not request.in_blocks:
                    head = self._model.model.get_output_embeddings()
                    parts = [rows] * len(chunk)
                    stack.enter_context(leaving_out_constants(head, parts, self._weights))
                compute = request.stacked or request.compute
                computed = compute([request.rows[row] for row in repeated.tolist()])
            for number, variant in enumerate(chunk):
                mine = slice(number * rows, (number + 1) * rows)
                results[variant] = tuple(_kept(part[mine]) for part in computed)
        if not self._calls:
            self._compare(request, results)
        return results

    def _chunks(self, request: RowPass) -> list[list[int]]:
        """Return the variants that share a pass, those with the lowest edits first."""
        order = self._order_of(request)
        depths = [
            min((order.get(place, len(order)) for place in of), default=len(order)) for of in self._places
        ]
        sorted_variants = sorted(range(len(depths)), key=depths.__getitem__)
        budget = BUDGET if request.prefix is None else STEP_BUDGET
        size = max(1, budget // _bytes(self._model, request))
        chunks = -(-len(sorted_variants) // size)
        return [part.tolist() for part in np.array_split(np.array(sorted_variants), chunks)]

    def _order_of(self, request: RowPass) -> dict[Place, int]:
        """Return the order in which a pass goes by the edited places, found with one row."""
        if self._order is None:
            row, everywhere = request.rows[:1], set().union(*self._places)
            with trial():
                run = request.prefix or request.compute
                passed = record_prefix(
                    self._model.model, lambda: run(row), 1, until=set(), watched=everywhere
                ).passed
            self._order = {place: number for number, place in enumerate(dict.fromkeys(passed))}
        return self._order

    def _prefix(self, request: RowPass, chunk: Sequence[int], known: Prefix | None) -> Prefix:
        """Return the modules that a pass finishes before the first edit of some variants."""
        places = set().union(*(self._places[variant] for variant in chunk))
        if known is not None and known.serves(places):
            return known
        run, watched = request.prefix or request.compute, set().union(*self._places) - places
        with trial():
            return record_prefix(
                self._model.model,
                lambda: run(request.rows),
                len(request.rows),
                until=places,
                watched=watched,
                known=known,
            )

    @contextmanager
    def _editing(self, chunk: Sequence[int]) -> Iterator[None]:
        """Edit the rows of each variant of a chunk inside a ``with`` block."""
        places = set().union(*(self._places[variant] for variant in chunk))
        changes = {
            place: partial(
                self._edit,
                [[edit for edit in self._edits[variant] if place_of(edit.point) == place] for variant in chunk],
            )
            for place in places
        }
        with replacing(self._model.model, changes):
            yield

    def _edit(self, edits: Sequence[Sequence[RunningEdit]], values: tuple[Any, ...]) -> Tensor:
        """Return the first of a module's values after the edits of each variant."""
        value, stack = values[0], current_stack()
        if is_trial():
            return value
        if stack is None or not isinstance(value, Tensor) or len(value) % len(stack.variants):
            raise UnsharedError
        repeats = len(value) // len(stack.variants)
        pieces = []
        for (first, end), of_variant in zip(stack.bounds(), edits, strict=True):
            piece = value[repeats * first : repeats * end]
            if of_variant and len(piece):
                with self._passing.part(repeats * first, repeats * end):
                    piece = edited([(edit.point, edit) for edit in of_variant], (piece,))
            pieces.append(piece)
        return torch.cat(pieces)

    def _compare(self, request: RowPass, results: Sequence[tuple[Any, ...]]) -> None:
        """Compare a variant among the others with the same variant alone, on a few rows."""
        variant = max(range(len(results)), key=lambda number: len(self._edits[number]))
        rows, reading = np.arange(min(TRIED, len(request.rows))), current_rows()
        edits = [(edit.point, edit) for edit in self._edits[variant]]
        with ExitStack() as stack:
            if reading is not None:
                stack.enter_context(reading_rows(reading.take(rows)))
            stack.enter_context(self._model.editing(edits))
            alone = request.compute([request.rows[row] for row in rows.tolist()])
        tolerance = max(CLOSE, STEPS * torch.finfo(self._model.model.dtype).eps)
        for part, expected in zip(results[variant], alone, strict=True):
            if not _alike(part[: len(rows)], expected, tolerance):
                raise UnsharedError


def _has_hooks(network: torch.nn.Module) -> bool:
    """Return True if a module has hooks, not counting those by which transformers collects outputs."""
    return any(
        module._forward_pre_hooks
        or any(
            getattr(hook, "__name__", "") != "output_capturing_hook" for hook in module._forward_hooks.values()
        )
        for module in network.modules()
    )


def _kept(part: Any) -> Any:
    """Return the rows of a variant, apart from those of the others."""
    return part.clone() if isinstance(part, Tensor) else part


def _alike(part: Any, expected: Any, tolerance: float) -> bool:
    if not isinstance(part, Tensor):
        return list(part) == list(expected)
    if part.dim() > 1:
        columns = min(part.shape[1], expected.shape[1])
        part, expected = part[:, :columns], expected[:, :columns]
    if not part.is_floating_point():
        return torch.equal(part, expected)
    return torch.allclose(part, expected.to(part), rtol=tolerance, atol=tolerance, equal_nan=True)


def _bytes(model: LoadedModel, request: RowPass) -> int:
    """Return an estimate of the bytes that one variant takes in a pass."""
    embeddings, head = model.model.get_input_embeddings(), model.model.get_output_embeddings()
    width = embeddings.weight.shape[1]
    classes = 0 if head is None else head.weight.shape[0]
    rows = len(request.rows)
    if request.in_blocks:
        return int(4 * rows * request.subwords * 24 * width)
    if request.prefix is None:
        return int(4 * rows * request.subwords * (1.25 * classes + 24 * width))
    layers = getattr(model.model.config, "num_hidden_layers", 1)
    return int(4 * rows * (3 * classes + 2 * width * layers * (3 * request.subwords + 10)))
