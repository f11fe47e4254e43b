"""Record and replace the values at sites while a model runs. Hooks are removed when the block ends."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from onegrain.errors import ModelError
from onegrain.models.sites import SitePoint

__all__ = ["Edit", "Recording", "edited", "editing", "recorded_value", "recording", "replacing"]

Edit = Callable[[Tensor], Tensor]
"""A function from a site's value, (batch, time, width) or in a decoder step (batch, width), to a new value."""


class Recording:
    """The values of sites in one forward pass, by site name."""

    def __init__(self) -> None:
        self._values: dict[str, list[Tensor]] = {}

    def clear(self) -> None:
        """Forget the last forward pass."""
        self._values.clear()

    def add(self, name: str, value: Tensor) -> None:
        """Add a value of a site."""
        self._values.setdefault(name, []).append(value.detach())

    def __contains__(self, name: str) -> bool:
        return name in self._values

    def __getitem__(self, name: str) -> Tensor:
        """Return the site's value, (batch, time, width); the steps of a stepwise decoder are stacked.

        Raises:
            ModelError: the module ran more than once in a forward pass, and not step by step.
        """
        values = self._values[name]
        if len(values) == 1 and values[0].dim() >= 3:
            return values[0]
        if any(value.shape != values[0].shape or value.dim() != 2 for value in values):
            shapes = ", ".join(str(tuple(value.shape)) for value in values[:4])
            raise ModelError(
                f"site {name!r} was passed {len(values)} times in one forward pass, by values of shape "
                f"{shapes}; name a module that is passed once"
            )
        return torch.stack(values, dim=1)


def recorded_value(record: Recording, point: SitePoint, shape: tuple[int, int]) -> Tensor:
    """Return the value of a site in one forward pass, (rows, subwords, width).

    Raises:
        ModelError: the module did not run or ran too often, or its value is not one vector per subword.
    """
    if point.name not in record:
        raise ModelError(f"nothing passed site {point.name!r} while the {point.side} words were read")
    value = record[point.name]
    if tuple(value.shape[:-1]) != shape:
        raise ModelError(
            f"site {point.name!r} holds values of shape {tuple(value.shape)}, not one vector for each of "
            f"{shape[0]} x {shape[1]} subwords; it cannot be read word by word"
        )
    return value


@contextmanager
def recording(model: nn.Module, points: Sequence[SitePoint]) -> Iterator[Recording]:
    """Record the values that pass the points; clear the recording before each forward pass."""
    record = Recording()

    def reader(name: str) -> Edit:
        def read(value: Tensor) -> Tensor:
            record.add(name, value)
            return value

        return read

    with editing(model, [(point, reader(point.name)) for point in points]):
        yield record


@contextmanager
def editing(
    model: nn.Module, edits: Sequence[tuple[SitePoint, Edit]] | Mapping[SitePoint, Edit]
) -> Iterator[None]:
    """Replace the values that pass the points by the results of the edits.

    The rest of the model runs with the replacement. Edits of one module run in the order in which they are
    listed. The edit of a site that is part of a module's value, such as a head, receives only that part,
    (..., width of the site), and its result is written into a copy of the value. The edit of a site of latents
    receives the latents; the change that it makes is decoded by the dictionary and added to the value.
    """
    pairs = edits.items() if isinstance(edits, Mapping) else edits
    by_module: dict[tuple[str, str], list[tuple[SitePoint, Edit]]] = {}
    for point, edit in pairs:
        by_module.setdefault((point.module, point.reads), []).append((point, edit))
    changes = {key: partial(edited, module_edits) for key, module_edits in by_module.items()}
    with replacing(model, changes):
        yield


@contextmanager
def replacing(
    model: nn.Module, changes: Mapping[tuple[str, str], Callable[[tuple[Any, ...]], Tensor]]
) -> Iterator[None]:
    """Replace the first of the values that modules return or read inside a ``with`` block.

    Args:
        model: the model.
        changes: for the path of a module and ``output`` or ``input``, a function from the module's values to
            the new first value; the value itself leaves it as it is.
    """
    with ExitStack() as stack:
        for (path, reads), change in changes.items():
            module = model.get_submodule(path)
            if reads == "output":
                handle = module.register_forward_hook(_on_output(change))
            else:
                handle = module.register_forward_pre_hook(_on_input(change))
            stack.callback(handle.remove)
        yield


def _on_output(change: Callable[[tuple[Any, ...]], Tensor]) -> Callable[[nn.Module, Any, Any], Any]:
    def hook(module: nn.Module, inputs: Any, output: Any) -> Any:
        values = output if isinstance(output, tuple) else (output,)
        first = change(values)
        if first is values[0]:
            return None  # unchanged, so the output keeps its type
        return _with_first(output, first) if isinstance(output, tuple) else first

    return hook


def _on_input(change: Callable[[tuple[Any, ...]], Tensor]) -> Callable[[nn.Module, Any], Any]:
    def hook(module: nn.Module, inputs: tuple[Any, ...]) -> tuple[Any, ...] | None:
        first = change(inputs)
        return None if first is inputs[0] else (first, *inputs[1:])

    return hook


def _with_first(output: tuple[Any, ...], first: Tensor) -> tuple[Any, ...]:
    """Return the tuple with another first value; a named tuple stays a named tuple."""
    values = (first, *output[1:])
    return output._make(values) if hasattr(output, "_make") else values


def edited(module_edits: Sequence[tuple[SitePoint, Edit]], values: tuple[Any, ...]) -> Tensor:
    """Return the first of a module's values after all edits of the module."""
    value = _tensor(module_edits[0][0], values)
    for point, edit in module_edits:
        part = value if point.units is None else value[..., slice(*point.units)]
        replacement = _replacement(point, edit, part)
        if replacement is part:
            continue
        if point.units is not None:
            value = value.clone()
            value[..., slice(*point.units)] = replacement
        else:
            value = replacement
    return value


def _replacement(point: SitePoint, edit: Edit, value: Tensor) -> Tensor:
    """Apply an edit to the value of a site, or to the latents of the value, and return the new value."""
    before = value if point.dictionary is None else point.dictionary.encode(value)
    after = edit(before)
    if after is before:
        return value
    if after.shape != before.shape:
        raise ModelError(
            f"the edit of site {point.name!r} made {tuple(after.shape)} of {tuple(before.shape)}; "
            "an edit keeps the shape"
        )
    return after if point.dictionary is None else point.dictionary.decode_change(value, before, after)


def _tensor(point: SitePoint, values: tuple[Any, ...]) -> Tensor:
    if values and isinstance(values[0], Tensor):
        return values[0]
    kind = type(values[0]).__name__ if values else "nothing"
    raise ModelError(
        f"site {point.name!r}: the {point.reads} of module {point.module!r} is {kind}, not a tensor; "
        "name a module inside it"
    )
