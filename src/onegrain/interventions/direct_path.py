"""Runs of a transformer in which only the direct path carries the change that an edit makes.

In a pre-norm transformer every block adds the outputs of its attention and its MLP to the residual stream,
which the final norm and the output layer turn into logits. If attention and MLP give in each block what they
gave in the untouched run, a change reaches the logits only by the stream itself: the *direct path*.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

from torch import Tensor

from onegrain.errors import ModelError, ParameterError
from onegrain.models import LoadedModel
from onegrain.models.passing import trial
from onegrain.models.scoring import ScoredBatch
from onegrain.models.sites import SitePoint

__all__ = ["PRE_NORM", "DirectPath", "require_residual_stream"]

PRE_NORM = (
    "gemma",
    "gemma2",
    "gemma3_text",
    "gpt2",
    "gpt_neox",
    "llama",
    "mistral",
    "qwen2",
    "qwen3",
)
"""The architectures whose blocks only add to the residual stream, by ``config.model_type``."""


def require_residual_stream(model: LoadedModel, sites: Sequence[str]) -> None:
    """Check that the direct path from these sites to the logits is defined.

    Raises:
        ParameterError: the model is not a language model whose blocks only add to the residual stream.
        ModelError: a site is a module path, so it is not known which blocks are above it.
    """
    kind = str(getattr(model.model.config, "model_type", ""))
    if model.task != "language model" or kind not in PRE_NORM:
        raise ParameterError(
            f"{model.identity.id} ({model.identity.architecture}) has no direct path from a neuron to the "
            "logits: effects need a language model whose blocks add to a residual stream: "
            + ", ".join(PRE_NORM)
        )
    for site in sites:
        if site not in model.points:
            raise ModelError(f"effects need a named site of the architecture, and {site!r} is a module path")


class DirectPath:
    """Keeps what attention and MLP computed in an untouched pass, and gives it to a later one.

    What is kept is the input of each block's last projections, of the attention's output and of the MLP's, so
    that an edit of a head or of an MLP neuron still reaches its own projection. In a block in which a branch of
    a gated MLP is edited, both branches are kept in place of their product.

    Args:
        model: a model that :func:`require_residual_stream` allows.
        sites: the edited sites.
    """

    def __init__(self, model: LoadedModel, sites: Sequence[str]) -> None:
        self._model = model
        self._points = _kept_points(model, sites)
        self._kept: dict[str, Tensor] = {}
        self._mode = "pass"

    @contextmanager
    def following(self) -> Iterator[None]:
        """Follow the model's passes inside a ``with`` block; edits must begin inside it, to come after."""
        with self._model.editing([(point, self._hook(point.name)) for point in self._points]):
            yield

    def keep(self, batch: ScoredBatch) -> None:
        """Run the untouched model over a batch, and keep what it computed."""
        self._kept.clear()
        with self._in_mode("keep"), trial():
            self._model.model.base_model(**self._model.batch(batch.rows))

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """Give the kept values to the passes inside a ``with`` block, which must read the kept batch."""
        with self._in_mode("freeze"):
            yield

    @contextmanager
    def _in_mode(self, mode: str) -> Iterator[None]:
        self._mode = mode
        try:
            yield
        finally:
            self._mode = "pass"

    def _hook(self, name: str) -> Callable[[Tensor], Tensor]:
        def hook(value: Tensor) -> Tensor:
            if self._mode == "keep":
                self._kept[name] = value.detach()
            return self._kept[name] if self._mode == "freeze" else value

        return hook


def _kept_points(model: LoadedModel, sites: Sequence[str]) -> list[SitePoint]:
    """Return the points whose values a direct path keeps, of every block."""
    points = []
    blocks = [name for name, point in model.points.items() if point.residual and point.dictionary is None]
    for layer in blocks:
        attention = model.points[f"{layer}.attn"]
        points.append(replace(attention, name=f"{layer}.attn.input", reads="input"))
        branches = [f"{layer}.mlp.gate", f"{layer}.mlp.up"]
        if any(site in branches for site in sites):
            points += [model.points[branch] for branch in branches]
        else:
            points.append(model.points[f"{layer}.mlp"])
    return points
