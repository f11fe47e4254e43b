"""What bounds a row of subwords: positions, embeddings, and whether a subword sees what follows it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from onegrain.errors import CorpusError
from onegrain.models.sites import Side
from onegrain.records.corpus import Corpus

if TYPE_CHECKING:
    from onegrain.models.loaded import LoadedModel

__all__ = ["is_causal", "longest_row", "require_fitting", "vocabulary_size"]

UNBOUNDED = 10**6
"""Tokenizers without a limit name an astronomical one."""

ANY_SIDE = (
    "max_position_embeddings",
    "n_positions",
    "n_ctx",
    "max_seq_len",
    "max_seq_length",
    "max_sequence_length",
)
LIMITS: dict[Side, tuple[str, ...]] = {
    "source": ("max_encoder_position_embeddings", "max_source_positions", *ANY_SIDE),
    "target": ("max_decoder_position_embeddings", "max_target_positions", *ANY_SIDE),
}
"""What configurations call the number of positions."""

PARTS: dict[Side, tuple[str, ...]] = {
    "source": ("text_config", "language_config", "llm_config", "encoder"),
    "target": ("text_config", "language_config", "llm_config", "decoder"),
}
"""Configurations inside a configuration."""

TABLE = re.compile(r"wpe|embed_positions|positions?_embed|pos(ition)?(al)?_?(emb|embed|embedding|embeddings)")
NO_TEXT = ("vision", "visual", "image", "audio", "speech")
LENGTHS = (2, 3, 8, 24)
"""Rows that are tried."""

CLOSE = 2e-5
CLOSE_IN_OTHER_SHAPES = 1e-3
"""How far values may lie apart, relative to the largest, in float32."""


def longest_row(network: Any, tokenizer: Any, side: Side = "source") -> int | None:
    """Return how many subwords a row of a side may have, special ones included; None where nothing bounds it.

    The smallest of the positions that the configuration names, those that a table of them has, and the
    ``model_max_length`` of the tokenizer. RoBERTa and its like number positions from behind the padding id, and
    BART from 2, so their tables hold positions that no subword takes. Models without numbered positions (LSTMs,
    T5) run on rows of any length: they have no bound, and the length that their tokenizer names, on which they
    were trained, is taken as advice. Models with rotary positions (Llama) would run on longer rows too, but
    have not learned to.
    """
    both = bool(getattr(network.config, "is_encoder_decoder", False))
    sides: tuple[Side, ...] = (side,) if both else ("source", "target")
    positions = [*_tables(network, side if both else None)]
    positions += [n for each in sides for n in _stated(network, network.config, each)]
    if not positions:
        return None
    known = (*positions, tokenizer.model_max_length)
    return min((int(limit) for limit in known if _bounds(limit)), default=None)


def vocabulary_size(network: Any, side: Side = "source") -> int | None:
    """Return how many subwords a side has embeddings for; None where they are not in one table."""
    owner = network
    if side == "target":
        try:
            owner = network.get_decoder()
        except (AttributeError, NotImplementedError):
            owner = network
    for candidate in (owner, network):
        try:
            weight = candidate.get_input_embeddings().weight
        except (AttributeError, NotImplementedError):
            continue
        return int(weight.shape[0])
    return None


def require_fitting(
    loaded: LoadedModel, corpus: Corpus, rows: Sequence[Sequence[int]], side: Side = "source"
) -> None:
    """Check that the model reads every row of a corpus.

    Raises:
        CorpusError: names the first sentence that is too long, its subwords and the limit.
    """
    longest = loaded.longest_on(side)
    for number, row in enumerate(rows):
        if longest is not None and len(row) > longest:
            words = len(corpus.sentence(number))
            raise CorpusError(
                f"sentence {number} (counted from 0) has {words} words, {len(row)} subwords, but "
                f"{loaded.identity.id} reads at most {longest} subwords; split the sentence or leave it out",
                corpus.source,
            )


@torch.no_grad()
def is_causal(loaded: LoadedModel, side: Side = "source") -> bool:
    """Return whether a subword's values are the same whatever follows it, found by trying.

    Rows of several lengths are read with other subwords behind several places, and cut there.
    """
    if side == "source" and loaded.task == "translation":
        return False
    first, second = _subwords(loaded, side)
    longest = loaded.longest_on(side) or LENGTHS[-1]
    for length in sorted({min(length, longest) for length in LENGTHS}):
        row = [(first, second)[at % 3 == 1] for at in range(length)]
        places = sorted({1, 2, length // 2, length - 1} & set(range(1, length)))
        others = [row[:place] + [second if id == first else first for id in row[place:]] for place in places]
        if not places:
            continue
        values = _values(loaded, [row, *others], side)
        for number, place in enumerate(places):
            cut = _values(loaded, [row[:place]], side)
            if not _alike(values[0, :place], values[1 + number, :place], CLOSE, 1):
                return False
            if not _alike(values[0, :place], cut[0], CLOSE_IN_OTHER_SHAPES, 8):
                return False
    return True


def _subwords(loaded: LoadedModel, side: Side) -> tuple[int, int]:
    """Return two subwords, neither of them special if there are enough others."""
    size = vocabulary_size(loaded.model, side) or len(loaded.tokenizer)
    special = set(loaded.tokenizer.all_special_ids)
    usual = [subword for subword in range(min(size, 1000)) if subword not in special]
    first, second = (usual if len(usual) > 1 else [0, size - 1])[:2]
    return first, second


def _values(loaded: LoadedModel, rows: list[list[int]], side: Side) -> Tensor:
    """Return what the model computes below its output layer (rows, time, width)."""
    values: list[Any] = []
    body = loaded.model.base_model
    hook = body.register_forward_hook(lambda module, inputs, output: values.append(output))
    try:
        if side == "target":
            loaded.forward([rows[0][:1]] * len(rows), rows)
        else:
            loaded.forward(rows)
    finally:
        hook.remove()
    output = values[-1]
    first: Tensor = output if isinstance(output, Tensor) else output[0]
    return first


def _alike(one: Tensor, other: Tensor, close: float, roundings: int) -> bool:
    bound = max(close, roundings * torch.finfo(one.dtype).eps) * float(one.abs().max())
    return torch.allclose(one.float(), other.float(), rtol=0.0, atol=bound, equal_nan=True)


def _stated(network: Any, config: Any, side: Side) -> Iterator[int]:
    """Yield the numbers of positions that a configuration and its parts name."""
    relative = any(name.endswith("relative_attention_bias") for name, _ in network.named_modules())
    names = [n for n in LIMITS[side] if not (relative and n == "n_positions")]  # T5 states one and has none
    for part in (config, *(getattr(config, name, None) for name in PARTS[side])):
        for name in names:
            value = getattr(part, name, None)
            if isinstance(value, int) and _bounds(value):
                yield value


def _tables(network: nn.Module, side: Side | None) -> Iterator[int]:
    """Yield how many subwords each table of learned or fixed positions has a row for."""
    for path, module in network.named_modules():
        *outer, name = path.split(".")
        weight = getattr(module, "weight", None)
        if not TABLE.fullmatch(name) or not isinstance(weight, Tensor) or weight.dim() != 2:
            continue
        if any(word in part for part in outer for word in NO_TEXT):
            continue
        if side is None or side == ("target" if "decoder" in outer else "source"):
            yield int(weight.shape[0]) - _unused(module)


def _unused(module: Any) -> int:
    """Return the rows of a table of positions that no subword takes."""
    offset = getattr(module, "offset", None)
    if isinstance(offset, int):
        return offset
    padding = getattr(module, "padding_idx", None)
    return 0 if padding is None else int(padding) + 1


def _bounds(limit: Any) -> bool:
    return isinstance(limit, (int, float)) and not isinstance(limit, bool) and 0 < limit < UNBOUNDED
