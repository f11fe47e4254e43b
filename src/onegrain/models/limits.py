"""The limits of a row of subwords: the number of positions and the size of the vocabulary, and their checks."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from torch import Tensor, nn

from onegrain.errors import CorpusError, ModelError
from onegrain.models.batching import Encoded
from onegrain.models.sites import Side
from onegrain.records.corpus import Corpus

__all__ = ["longest_row", "padding_id", "require_embedded", "require_fitting", "vocabulary_size"]

UNBOUNDED = 10**6
"""Tokenizers without a limit state one far above this number."""

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
"""The names of the number of positions in configurations."""

PARTS: dict[Side, tuple[str, ...]] = {
    "source": ("text_config", "language_config", "llm_config", "encoder"),
    "target": ("text_config", "language_config", "llm_config", "decoder"),
}
"""The names of configurations inside a configuration."""

TABLE = re.compile(r"wpe|embed_positions|positions?_embed|pos(ition)?(al)?_?(emb|embed|embedding|embeddings)")
NO_TEXT = ("vision", "visual", "image", "audio", "speech")


def longest_row(network: Any, tokenizer: Any, side: Side = "source") -> int | None:
    """Return the largest number of subwords in a row, including special ones; None if there is no limit.

    It is the smallest of three numbers: the positions that the configuration states, the rows of a table of
    positions, and the ``model_max_length`` of the tokenizer. Tables may have rows that no subword uses: models
    like RoBERTa count positions from the padding id, and BART from 2. Models without numbered positions (LSTMs,
    T5) run on rows of any length and have no limit; the length in their tokenizer is that of their training
    data. Models with rotary positions (Llama) would run on longer rows, but were not trained on them.
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
    """Return the number of subwords with embeddings on a side; None if they are not in one table."""
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


def padding_id(tokenizer: Any, sizes: Iterable[int | None]) -> int:
    """Return the id that fills short rows, which has an embedding in every vocabulary of these sizes."""
    size = min((size for size in sizes if size is not None), default=None)
    for pad in (tokenizer.pad_token_id, tokenizer.eos_token_id):
        if isinstance(pad, int) and pad >= 0 and (size is None or pad < size):
            return pad
    return 0


def require_embedded(
    rows: Sequence[Encoded], sentences: Sequence[Sequence[str]], size: int | None, tokenizer: Any, model_id: str
) -> None:
    """Check that a model with ``size`` embeddings has one for every subword of the encoded sentences.

    Raises:
        ModelError: names the first subword without an embedding and its word.
    """
    for row, words in zip(rows, sentences, strict=True):
        if size is None or not row.ids or (min(row.ids) >= 0 and max(row.ids) < size):
            continue
        index = next(index for index, subword in enumerate(row.ids) if not 0 <= subword < size)
        word, subword = row.word_of[index], row.ids[index]
        what = f"word {words[word]!r}" if word >= 0 else "a sentence"
        raise ModelError(
            f"the tokenizer of {model_id} gives {what} the subword {subword} "
            f"({tokenizer.convert_ids_to_tokens(subword)!r}), but the model has embeddings for "
            f"{size}; use the tokenizer that it was trained with"
        )


def require_fitting(corpus: Corpus, rows: Sequence[Sequence[int]], longest: int | None, model_id: str) -> None:
    """Check that every row of a corpus has at most ``longest`` subwords.

    Raises:
        CorpusError: names the first sentence that is too long, its subwords and the limit.
    """
    for number, row in enumerate(rows):
        if longest is not None and len(row) > longest:
            words = len(corpus.sentence(number))
            raise CorpusError(
                f"sentence {number} (counted from 0) has {words} words, {len(row)} subwords, but "
                f"{model_id} reads at most {longest} subwords; split the sentence or leave it out",
                corpus.source,
            )


def _stated(network: Any, config: Any, side: Side) -> Iterator[int]:
    """Yield the numbers of positions that a configuration and its parts state."""
    relative = any(name.endswith("relative_attention_bias") for name, _ in network.named_modules())
    names = [
        n for n in LIMITS[side] if not (relative and n == "n_positions")
    ]  # T5 states it but has no positions
    for part in (config, *(getattr(config, name, None) for name in PARTS[side])):
        for name in names:
            value = getattr(part, name, None)
            if isinstance(value, int) and _bounds(value):
                yield value


def _tables(network: nn.Module, side: Side | None) -> Iterator[int]:
    """Yield the number of subwords for which each table of learned or fixed positions has a row."""
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
    """Return the number of rows of a table of positions that no subword uses."""
    offset = getattr(module, "offset", None)
    if isinstance(offset, int):
        return offset
    padding = getattr(module, "padding_idx", None)
    return 0 if padding is None else int(padding) + 1


def _bounds(limit: Any) -> bool:
    return isinstance(limit, (int, float)) and not isinstance(limit, bool) and 0 < limit < UNBOUNDED
