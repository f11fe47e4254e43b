"""The modules that a forward pass has finished before it reaches the first edited place: run once, then reused.

A module that has returned before anything is edited cannot depend on an edit. Its output is recorded in a pass
over the rows of one variant, and stands in for the module in a pass over the rows of many.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor, nn
from transformers.utils import ModelOutput

from onegrain.models.sites import SitePoint

__all__ = ["Place", "Prefix", "place_of", "record_prefix", "replaying"]

Place = tuple[str, str]
"""The path of a module, and whether its ``output`` or its ``input`` is edited."""


class _ReachedError(Exception):
    """Raised to end a pass at the first edited place."""


@dataclass
class Prefix:
    """The finished modules of a pass.

    Attributes:
        rows: the number of rows of the pass.
        calls: the modules with their outputs, in the order in which they returned. The calls inside a finished
            module are left out.
        passed: the watched places that the pass went by before it ended, in order.
        reached: the place at which it ended; None if it ran to its own end.
    """

    rows: int
    calls: list[tuple[nn.Module, Any]] = field(default_factory=list)
    passed: list[Place] = field(default_factory=list)
    reached: Place | None = None

    def serves(self, places: set[Place]) -> bool:
        """Return True if a pass that is edited at these places shares the finished modules, and no others."""
        return places.isdisjoint(self.passed) and (self.reached is None or self.reached in places)


def place_of(point: SitePoint) -> Place:
    """Return the place of a site."""
    return point.module, point.reads


def record_prefix(
    model: Any,
    run: Callable[[], Any],
    rows: int,
    *,
    until: set[Place],
    watched: set[Place],
    known: Prefix | None = None,
) -> Prefix:
    """Run a pass up to the first of some places, and return the modules that it has finished.

    The output projection is left out: its results are large, and a pass may end before it.

    Args:
        model: the model.
        run: runs the pass.
        rows: the number of rows of the pass.
        until: the places at which the pass ends.
        watched: places whose passing is noted.
        known: what an earlier pass over the same rows has finished; it is not run again if that pass went by
            none of the places ``until``.
    """
    prefix = Prefix(rows)
    starts: list[int] = []

    def begin(module: nn.Module, inputs: Any) -> None:
        starts.append(len(prefix.calls))

    def finish(module: nn.Module, inputs: Any, output: Any) -> None:
        del prefix.calls[starts.pop() :]
        if not _is_step(module, output):
            prefix.calls.append((module, output))

    head = model.get_output_embeddings()
    with ExitStack() as stack:
        for module in model.modules():
            if module is not model and module is not head and not isinstance(module, nn.Identity):
                stack.callback(module.register_forward_pre_hook(begin).remove)
                stack.callback(module.register_forward_hook(finish).remove)
        for place in until | watched:
            stack.callback(_note(model, place, prefix, place in until))
        if known is not None and until.isdisjoint(known.passed):
            stack.enter_context(replaying(known, 1))
        stack.enter_context(suppress(_ReachedError))
        run()
    return prefix


def _is_step(module: nn.Module, output: Any) -> bool:
    """Return True for one step of a recurrent layer, which runs step by step only if its state is edited."""
    return isinstance(module, nn.RNNBase) and bool(output[0].shape[1] == 1)


def _note(model: nn.Module, place: Place, prefix: Prefix, last: bool) -> Callable[[], None]:
    """Note that a place is passed, or end the pass there; return what takes the hook off."""

    def pass_by(*_: Any) -> None:
        if last:
            prefix.reached = place
            raise _ReachedError
        prefix.passed.append(place)

    module = model.get_submodule(place[0])
    register = module.register_forward_hook if place[1] == "output" else module.register_forward_pre_hook
    return register(pass_by).remove


@contextmanager
def replaying(prefix: Prefix, variants: int) -> Iterator[None]:
    """Let the finished modules return their recorded outputs, repeated for each variant, inside a block.

    Each recorded call is replayed once, and in its order. Every other call runs the module.
    """
    calls = [(module, output) for module, output in prefix.calls if _repeatable(output, prefix.rows)]
    replay = _Replay(calls, prefix.rows, variants)
    with ExitStack() as stack:
        for module in {id(module): module for module, _ in calls}.values():
            stack.callback(_restore(module))
            module.forward = replay.forward(module)
        yield


def _restore(module: nn.Module) -> Callable[[], None]:
    """Return what gives a module back the ``forward`` that it has now."""
    before = vars(module).get("forward")

    def restore() -> None:
        vars(module).pop("forward", None)
        if before is not None:
            vars(module)["forward"] = before

    return restore


class _Replay:
    """Recorded calls that are replayed one after the other."""

    def __init__(self, calls: Sequence[tuple[nn.Module, Any]], rows: int, variants: int) -> None:
        self._calls, self._rows, self._variants = calls, rows, variants
        self._next = 0

    def forward(self, module: nn.Module) -> Callable[..., Any]:
        """Return the ``forward`` of a module whose call may be recorded."""
        run = module.forward

        def replayed(*arguments: Any, **named: Any) -> Any:
            if self._next == len(self._calls) or self._calls[self._next][0] is not module:
                return run(*arguments, **named)
            output = self._calls[self._next][1]
            self._next += 1
            return _repeated(output, self._rows, self._variants)

        return replayed


def _repeatable(output: Any, rows: int, *, inner: bool = False) -> bool:
    """Return True if the tensors of an output have rows as their first dimension, or one row for all.

    The states of a recurrent layer, a tuple inside the output, have their rows in the second dimension.
    """
    if isinstance(output, Tensor):
        return output.dim() >= 3 and (output.shape[0] in (1, rows))
    if isinstance(output, ModelOutput):
        return all(_repeatable(value, rows, inner=True) for value in output.values())
    if isinstance(output, tuple | list):
        return all(_repeatable(value, rows, inner=True) for value in output)
    return inner and (output is None or isinstance(output, bool | int | float))


def _repeated(output: Any, rows: int, variants: int, *, nested: int = 0) -> Any:
    """Return an output with its rows repeated for each variant."""
    if variants == 1:
        return output
    if isinstance(output, Tensor):
        if nested > 1 and output.dim() == 3 and output.shape[0] == 1 and output.shape[1] == rows:
            return output.repeat(1, variants, 1)
        return output.repeat(variants, *[1] * (output.dim() - 1)) if output.shape[0] == rows else output
    if isinstance(output, ModelOutput):
        named = {name: _repeated(value, rows, variants, nested=1) for name, value in output.items()}
        return type(output)(**named)
    if isinstance(output, tuple | list):
        values = [_repeated(value, rows, variants, nested=nested + 1) for value in output]
        return output._make(values) if hasattr(output, "_make") else type(output)(values)
    return output
