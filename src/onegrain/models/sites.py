"""The sites of a model: those that its architecture names, and any module by its path."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from torch import nn

from onegrain.core.patterns import some_of
from onegrain.errors import ModelError
from onegrain.models.architectures import ARCHITECTURES, Side, Stack, count_heads, input_width
from onegrain.models.dictionaries.dictionary import Dictionary
from onegrain.models.lstm.language_model import RecurrentLayer
from onegrain.models.lstm.translation_model import BidirectionalLayer, LSTMDecoderLayer

__all__ = ["Side", "SitePoint", "StatePoint", "find_points", "module_point", "state_points"]


@dataclass(frozen=True)
class SitePoint:
    """A site, and the module that its value passes through.

    Attributes:
        name: the site's name, e.g. ``encoder.layers.1``.
        module: path of the module, from the model's root.
        reads: ``output`` if the value is that module's output, ``input`` if it is its first input.
        side: the side whose words the site reads.
        units: the half-open range of the last dimension that belongs to the site, for a head or a direction;
            None for all of it.
        dictionary: the learned dictionary that computes the latents of the value; None for the value itself.
        residual: True if the value is the residual stream of a transformer after a block.
        branch: True if the value is one of the two whose product are a gated MLP's neurons.
        packed: True if the module reads the real subwords of a row first, and padding on the left last.
    """

    name: str
    module: str
    reads: Literal["output", "input"] = "output"
    side: Side = "source"
    units: tuple[int, int] | None = None
    dictionary: Dictionary | None = None
    residual: bool = False
    branch: bool = False
    packed: bool = False

    @property
    def derived(self) -> bool:
        """True if the site is part of another's value or computed from it; it is read only if it is named."""
        return self.units is not None or self.dictionary is not None or self.branch

    def overlaps(self, other: SitePoint) -> bool:
        """Return True if the two sites share a neuron: the same unit of the same value."""
        if (self.module, self.reads) != (other.module, other.reads) or self.dictionary is not other.dictionary:
            return False
        if self.units is None or other.units is None:
            return True
        return self.units[0] < other.units[1] and other.units[0] < self.units[1]


def find_points(model: nn.Module, model_type: str) -> list[SitePoint]:
    """Return every named site of a model, from the bottom to the top, the encoder before the decoder.

    ``embeddings`` is the input of block 0, ``layers.N`` the residual stream after block N, ``layers.N.attn``
    and ``layers.N.cross_attn`` the output of the (cross-)attention's output projection (before a norm that
    follows it), ``layers.N.heads.H`` the part of that projection's input that comes from self-attention head H,
    and ``layers.N.mlp`` the MLP's neurons after the non-linearity, in a gated MLP after the product with the
    gate. The two factors of that product are ``layers.N.mlp.gate``, after the non-linearity, and
    ``layers.N.mlp.up``. In encoder-decoders the names begin with ``encoder.`` or ``decoder.``. The LSTM models
    have some of these sites, and the two directions of an encoder layer, ``encoder.layers.N.forward`` and
    ``.backward``. An encoder or decoder that is loaded alone has its sites under the same names.

    A model whose architecture is not in the table has no named sites; :func:`module_point` gives sites by path.
    """
    if model_type == "onegrain_lstm_lm":
        return _recurrent("", model, "source")
    if model_type == "onegrain_lstm_nmt":
        decoder = _recurrent("decoder.", model, "target")
        attention = SitePoint("decoder.attention", "decoder.attention_site", side="target")
        return [*_recurrent("encoder.", model, "source"), *decoder, attention]
    stacks = ARCHITECTURES.get(model_type, ())
    # an encoder or a decoder may be loaded without the other
    loaded = [stack for stack in stacks if len(stacks) == 1 or _has(model, _blocks(stack, model))]
    return [point for stack in loaded for point in _stack(stack, model, alone=len(loaded) == 1)]


def module_point(model: nn.Module, path: str) -> SitePoint:
    """Return the site of a module's output, which is named by the module's path.

    In a translation model only modules of the encoder read the source's words.

    Raises:
        ModelError: the model has no module with this path.
    """
    names = [name for name, _ in model.named_modules() if name]
    if path not in names:
        raise ModelError(f"no module {path!r} in {type(model).__name__}; it has {some_of(names)}")
    translates = getattr(getattr(model, "config", None), "is_encoder_decoder", False) and any(
        "decoder" in name.split(".") for name in names
    )
    return SitePoint(path, path, side="target" if translates and "encoder" not in path.split(".") else "source")


def _recurrent(prefix: str, model: nn.Module, side: Side) -> list[SitePoint]:
    layers = model.get_submodule(f"{prefix}layers")
    points = [SitePoint(f"{prefix}embeddings", f"{prefix}embeddings_site", side=side)]
    for number, layer in enumerate(layers.children()):
        name, site = f"{prefix}layers.{number}", f"{prefix}layers.{number}.site"
        packed = not isinstance(layer, LSTMDecoderLayer)
        points.append(SitePoint(name, site, side=side, packed=packed))
        if isinstance(layer, BidirectionalLayer):
            half = layer.backward_lstm.hidden_size
            points += [
                SitePoint(f"{name}.forward", site, side=side, units=(0, half), packed=True),
                SitePoint(f"{name}.backward", site, side=side, units=(half, 2 * half), packed=True),
            ]
    return points


def _stack(parts: Stack, model: nn.Module, *, alone: bool) -> list[SitePoint]:
    """Return the sites of one stack; a stack loaded alone reads the source and has no cross-attention."""
    blocks, name = _blocks(parts, model), f"{parts.name}layers"
    side: Side = "source" if alone else parts.side
    points = [SitePoint(f"{parts.name}embeddings", f"{blocks}.0", "input", side)]
    for number, _ in enumerate(model.get_submodule(blocks).children()):
        layer, block = f"{name}.{number}", f"{blocks}.{number}"
        projection = f"{block}.{parts.attention}"
        points.append(SitePoint(layer, block, side=side, residual=True))
        points.append(SitePoint(f"{layer}.attn", projection, side=side))
        if parts.cross is not None and not alone:
            points.append(SitePoint(f"{layer}.cross_attn", f"{block}.{parts.cross}", side=side))
        points += [
            SitePoint(f"{layer}.heads.{head}", projection, "input", side, units)
            for head, units in enumerate(_heads(model, projection, parts.side))
        ]
        points.append(SitePoint(f"{layer}.mlp", f"{block}.{parts.mlp}", "input", side))
        branches = {"gate": parts.gate, "up": parts.up}
        points += [
            SitePoint(f"{layer}.mlp.{branch}", f"{block}.{path}", side=side, branch=True)
            for branch, path in branches.items()
            if path is not None and _has(model, f"{block}.{parts.up}")
        ]
    return points


@dataclass(frozen=True)
class StatePoint:
    """The state that a direction of a recurrent layer passes to its own next step.

    Attributes:
        point: where the state passes, step by step.
        units: the half-open range of the layer's units that this direction holds.
        backwards: True if the direction begins with the last subword.
    """

    point: SitePoint
    units: tuple[int, int]
    backwards: bool = False


def state_points(model: nn.Module, point: SitePoint) -> list[StatePoint]:
    """Return the states of the layer whose output is a site; none if it is not the output of an LSTM layer."""
    path, _, last = point.module.rpartition(".")
    if last != "site" or point.dictionary is not None:
        return []
    layer = model.get_submodule(path)
    if isinstance(layer, BidirectionalLayer):
        half = layer.backward_lstm.hidden_size
        first, end = point.units or (0, 2 * half)
        names = (("forward", 0, False), ("backward", half, True))
        return [
            StatePoint(
                SitePoint(f"{point.name}.{name}", f"{path}.{name}_state", side=point.side),
                (start - first, start - first + half),
                backwards,
            )
            for name, start, backwards in names
            if first <= start < end
        ]
    if not isinstance(layer, RecurrentLayer | LSTMDecoderLayer):
        return []
    state = SitePoint(f"{point.name}.state", f"{path}.state", side=point.side)
    return [StatePoint(state, (0, layer.state_width))]


def _blocks(parts: Stack, model: nn.Module) -> str:
    """Return the path of a stack's list of blocks from the model's root."""
    base = getattr(model, "base_model", model)
    return parts.blocks if base is model else f"{model.base_model_prefix}.{parts.blocks}"


def _has(model: nn.Module, path: str) -> bool:
    try:
        model.get_submodule(path)
    except AttributeError:
        return False
    return True


def _heads(model: nn.Module, projection: str, side: Side) -> list[tuple[int, int]]:
    """Return the range of each head's units in the input of the attention's output projection."""
    heads, width = count_heads(model.config, side), input_width(model, projection)
    if width % heads:
        raise ModelError(
            f"module {projection!r} reads {width} values, which {heads} heads cannot share evenly; the "
            f"configuration of {type(model).__name__} does not fit its weights"
        )
    size = width // heads
    return [(size * head, size * (head + 1)) for head in range(heads)]
