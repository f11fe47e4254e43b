"""Reading and replacing the values at sites while a model runs. The hooks come off whatever happens."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from onegrain.errors import ModelError
from onegrain.models.sites import SitePoint

__all__ = ["Edit", "Recording", "editing", "module_widths", "recorded_value", "recording"]

Edit = Callable[[Tensor], Tensor]
"""Takes a site's value, (batch, time, width) or (batch, width) in one decoder step; returns its replacement."""


class Recording:
    """What sites saw in one forward pass, by site name."""

    def __init__(self) -> None:
        self._seen: dict[str, list[Tensor]] = {}

    def clear(self) -> None:
        """Forget the last forward pass."""
        self._seen.clear()

    def add(self, name: str, value: Tensor) -> None:
        """Take one more value of a site."""
        self._seen.setdefault(name, []).append(value.detach())

    def __contains__(self, name: str) -> bool:
        return name in self._seen

    def __getitem__(self, name: str) -> Tensor:
        """The site's value, (batch, time, width); the steps of a stepwise decoder are put side by side.

        Raises:
            ModelError: the site was passed more than once in a forward pass, and not step by step.
        """
        seen = self._seen[name]
        if len(seen) == 1 and seen[0].dim() >= 3:
            return seen[0]
        if any(value.shape != seen[0].shape or value.dim() != 2 for value in seen):
            shapes = ", ".join(str(tuple(value.shape)) for value in seen[:4])
            raise ModelError(
                f"site {name!r} was passed {len(seen)} times in one forward pass, by values of shape {shapes}; "
                "name a module that is passed once"
            )
        return torch.stack(seen, dim=1)


def recorded_value(record: Recording, point: SitePoint, shape: tuple[int, int]) -> Tensor:
    """What a site held in one forward pass over (rows, subwords): (rows, subwords, width).

    Raises:
        ModelError: nothing passed it, too often, or not one vector for each subword, rows first.
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


def module_widths(model: nn.Module, run: Callable[[], Any], steps: int) -> dict[str, int]:
    """The modules, by path, that give one vector for each of a row's ``steps`` subwords, with its width.

    Args:
        model: the model.
        run: a forward pass over one row.
        steps: how many subwords it has.
    """
    shapes: dict[str, list[tuple[int, ...]]] = {}

    def see(path: str) -> Callable[[nn.Module, Any, Any], None]:
        def hook(module: nn.Module, inputs: Any, output: Any) -> None:
            value = output[0] if isinstance(output, tuple) and output else output
            shapes.setdefault(path, []).append(tuple(value.shape) if isinstance(value, Tensor) else ())

        return hook

    with ExitStack() as stack:
        for path, module in model.named_modules():
            if path:
                stack.callback(module.register_forward_hook(see(path)).remove)
        run()
    once = {path: seen[0] for path, seen in shapes.items() if len(seen) == 1}
    return {
        path: once[path][2]
        for path, _ in model.named_modules()
        if len(once.get(path, ())) == 3 and once[path][:2] == (1, steps)
    }


@contextmanager
def editing(
    model: nn.Module, edits: Sequence[tuple[SitePoint, Edit]] | Mapping[SitePoint, Edit]
) -> Iterator[None]:
    """Replace the values that pass the points by what the edits make of them.

    The model computes on with the replacement. Edits that share a module run in the given order. The edit of a
    site that is part of a module's value, as a head is, sees that part alone, (..., width of the site); what it
    returns is written into a copy of the whole. The edit of a site of latents sees those, and what it changes
    in them is added to the value as the dictionary decodes it.
    """
    pairs = edits.items() if isinstance(edits, Mapping) else edits
    places: dict[tuple[str, str], list[tuple[SitePoint, Edit]]] = {}
    for point, edit in pairs:
        places.setdefault((point.module, point.reads), []).append((point, edit))
    with ExitStack() as stack:
        for (path, reads), here in places.items():
            module = model.get_submodule(path)
            if reads == "output":
                handle = module.register_forward_hook(_on_output(here))
            else:
                handle = module.register_forward_pre_hook(_on_input(here))
            stack.callback(handle.remove)
        yield


def _on_output(here: Sequence[tuple[SitePoint, Edit]]) -> Callable[[nn.Module, Any, Any], Any]:
    def hook(module: nn.Module, inputs: Any, output: Any) -> Any:
        values = output if isinstance(output, tuple) else (output,)
        edited = _edited(here, values)
        if edited is values[0]:
            return None  # nothing was changed: the output passes as it is, whatever its type
        return _with_first(output, edited) if isinstance(output, tuple) else edited

    return hook


def _on_input(here: Sequence[tuple[SitePoint, Edit]]) -> Callable[[nn.Module, Any], Any]:
    def hook(module: nn.Module, inputs: tuple[Any, ...]) -> tuple[Any, ...] | None:
        edited = _edited(here, inputs)
        return None if edited is inputs[0] else (edited, *inputs[1:])

    return hook


def _with_first(output: tuple[Any, ...], first: Tensor) -> tuple[Any, ...]:
    """The tuple with another first value; a named tuple stays one."""
    made = (first, *output[1:])
    return output._make(made) if hasattr(output, "_make") else made


def _edited(here: Sequence[tuple[SitePoint, Edit]], values: tuple[Any, ...]) -> Tensor:
    """The first of a module's values, after every edit that is made there."""
    value = _tensor(here[0][0], values)
    for point, edit in here:
        part = value if point.units is None else value[..., slice(*point.units)]
        made = _made(point, edit, part)
        if made is part:
            continue
        if point.units is not None:
            value = value.clone()
            value[..., slice(*point.units)] = made
        else:
            value = made
    return value


def _made(point: SitePoint, edit: Edit, value: Tensor) -> Tensor:
    """What an edit makes of the value of a site, or of its latents."""
    seen = value if point.dictionary is None else point.dictionary.encode(value)
    made = edit(seen)
    if made is seen:
        return value
    if made.shape != seen.shape:
        raise ModelError(
            f"the edit of site {point.name!r} made {tuple(made.shape)} of {tuple(seen.shape)}; "
            "an edit keeps the shape"
        )
    return made if point.dictionary is None else point.dictionary.decode_change(value, seen, made)


def _tensor(point: SitePoint, values: tuple[Any, ...]) -> Tensor:
    if values and isinstance(values[0], Tensor):
        return values[0]
    found = type(values[0]).__name__ if values else "nothing"
    raise ModelError(
        f"site {point.name!r}: the {point.reads} of module {point.module!r} is {found}, not a tensor; "
        "name a module inside it"
    )
