"""The widths of sites and modules, measured in a forward pass."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from typing import Any

from torch import Tensor, nn

from onegrain.errors import ModelError
from onegrain.models.failures import few_of
from onegrain.models.hooks import recording
from onegrain.models.sites import SitePoint

__all__ = ["module_widths", "site_widths"]


def site_widths(
    model: nn.Module, points: Sequence[SitePoint], run: Callable[[], Any], lacking: Sequence[str], model_id: str
) -> dict[str, int]:
    """Return the width of each site by name.

    Args:
        model: the model.
        points: the sites.
        run: runs the model over one row.
        lacking: weights missing from the checkpoint, which make the values that need them NaN.
        model_id: the name of the model, for errors.

    Raises:
        ModelError: a site was not passed, or its value needs weights that are missing.
    """
    with recording(model, points) as record:
        run()
        for point in points:
            if point.name not in record:
                raise ModelError(f"nothing passed site {point.name!r} in a forward pass")
            if lacking and bool(record[point.name].isnan().any()):
                raise ModelError(
                    f"site {point.name!r} needs weights that the checkpoint of {model_id} lacks: "
                    + few_of(lacking)
                )
        return {point.name: int(record[point.name].shape[-1]) for point in points}


def module_widths(model: nn.Module, run: Callable[[], Any], steps: int) -> dict[str, int]:
    """Return the modules, by path, that give one vector per subword of a row, with the width of the vector.

    Args:
        model: the model.
        run: runs the model over one row.
        steps: number of subwords of the row.
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
    once = {path: path_shapes[0] for path, path_shapes in shapes.items() if len(path_shapes) == 1}
    return {
        path: once[path][2]
        for path, _ in model.named_modules()
        if len(once.get(path, ())) == 3 and once[path][:2] == (1, steps)
    }
