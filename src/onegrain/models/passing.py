"""Follow the running forward pass: its real positions, and the words that they belong to.

An edit at chosen words or positions needs to know this, in a pass of onegrain's as well as in any other. The
rows, their padding and their positions come from the arguments of the pass. Sentences and words are known if
the caller names them with :func:`reading_rows`.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from functools import wraps
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
import torch
from torch import Tensor, nn

from onegrain.models.sites import Side
from onegrain.records.corpus import Corpus

__all__ = [
    "Passing",
    "Position",
    "Rows",
    "announce_step",
    "current_rows",
    "is_followed",
    "is_trial",
    "reading_rows",
    "trial",
]

NO_WORD = -1


@dataclass(frozen=True, eq=False)
class Rows:
    """The sentences that the rows of a forward pass hold.

    Attributes:
        corpus: the corpus; its ``target`` is the corpus of the target rows.
        sentences: int64 (rows,), the sentence of each row.
        words: for each side, the word of the sentence that each subword of each row belongs to, -1 for none.
        parts: True if a row may begin inside its sentence, so that positions cannot be compared with those of
            another sentence.
    """

    corpus: Corpus
    sentences: np.ndarray
    words: dict[Side, Sequence[Sequence[int]]] = field(default_factory=dict)
    parts: bool = False

    def corpus_of(self, side: Side) -> Corpus | None:
        """Return the corpus whose words one side reads."""
        return self.corpus if side == "source" else self.corpus.target

    def take(self, rows: np.ndarray) -> Rows:
        """Return some of the rows, int64, in their order; a row may be taken more than once."""
        words: dict[Side, Sequence[Sequence[int]]] = {
            side: [of[row] for row in rows.tolist()] for side, of in self.words.items()
        }
        return replace(self, sentences=np.asarray(self.sentences)[rows], words=words)


_rows: ContextVar[Rows | None] = ContextVar("rows", default=None)


@contextmanager
def reading_rows(rows: Rows) -> Iterator[None]:
    """Say which sentences the forward passes inside a ``with`` block read."""
    token = _rows.set(rows)
    try:
        yield
    finally:
        _rows.reset(token)


def current_rows() -> Rows | None:
    """Return the rows that :func:`reading_rows` has named, or None."""
    return _rows.get()


_trial: ContextVar[bool] = ContextVar("trial", default=False)


@contextmanager
def trial() -> Iterator[None]:
    """Mark the passes inside a ``with`` block as trials of the model itself, which no edit may reach."""
    token = _trial.set(True)
    try:
        yield
    finally:
        _trial.reset(token)


def is_trial() -> bool:
    """Return True inside a block of :func:`trial`."""
    return _trial.get()


@dataclass(frozen=True, eq=False)
class Position:
    """The positions of a site's value in a forward pass, (rows, time), or (rows,) in a step of a decoder.

    Attributes:
        side: the side that is read.
        real: bool, False for padding.
        index: int64, the place of each subword in its row, counted from the first real subword.
        length: int64 (rows,), the number of real subwords of each row so far.
        prompt: int64 (rows,), how many of them are the prompt of a generation; None outside ``generate``.
        rows: the sentences of the rows; None if nobody named them.
        repeats: how many consecutive rows each sentence has, as beams do.
    """

    side: Side
    real: Tensor
    index: Tensor
    length: Tensor
    prompt: Tensor | None = None
    rows: Rows | None = None
    repeats: int = 1

    def between(self, first: int, end: int) -> Position:
        """Return the position of a range of rows."""
        rows = self.rows
        if rows is not None:
            rows = rows.take(np.arange(first // self.repeats, end // self.repeats))
        return replace(
            self,
            real=self.real[first:end],
            index=self.index[first:end],
            length=self.length[first:end],
            prompt=None if self.prompt is None else self.prompt[first:end],
            rows=rows,
        )

    def step(self, time: int, *, backwards: bool = False) -> Position:
        """Return the position of one step of a module that reads the real subwords one after the other.

        Args:
            time: the number of the step in this pass.
            backwards: True if the module begins with the last subword.
        """
        here = self.real.sum(1)
        index = here - 1 - time if backwards else self.index[:, 0].clamp(min=0) + time
        return replace(self, real=time < here, index=index)

    def packed(self) -> Position:
        """Return the position in a module that reads the real subwords of a row first, and its padding last."""
        time = torch.arange(self.real.shape[1], device=self.real.device)
        index = self.index[:, :1].clamp(min=0) + time
        return replace(self, real=time < self.real.sum(1, keepdim=True), index=index)

    def sentences(self) -> Tensor:
        """Return int64 (rows,), the number of each row's sentence; without named sentences, that of the row."""
        if self.rows is None:
            return torch.arange(len(self.real), device=self.real.device)
        numbers = torch.from_numpy(np.asarray(self.rows.sentences, dtype=np.int64)).to(self.real.device)
        return numbers.repeat_interleave(self.repeats)

    def words(self) -> Tensor | None:
        """Return int64, the word of the sentence at each position, -1 for none; None if they are not known."""
        named = None if self.rows is None else self.rows.words.get(self.side)
        if named is None:
            return None
        width = max((len(row) for row in named), default=0) or 1
        table = np.full((len(named), width), NO_WORD, dtype=np.int64)
        for number, row in enumerate(named):
            table[number, : len(row)] = row
        words = torch.from_numpy(table).to(self.real.device).repeat_interleave(self.repeats, 0)
        places = self.index if self.index.dim() == 2 else self.index[:, None]
        inside = (places >= 0) & (places < width)
        chosen = words.gather(1, places.clamp(0, width - 1)).masked_fill(~inside, NO_WORD)
        chosen = chosen if self.index.dim() == 2 else chosen[:, 0]
        return chosen.masked_fill(~self.real, NO_WORD)


class Passing:
    """Follows the forward passes of a model, and knows the position of the pass that is running.

    Args:
        model: a ``PreTrainedModel``.
        translates: True for a translation model.
        pad: the id that fills short rows of a decoder, which has no mask.
    """

    def __init__(self, model: Any, translates: bool, pad: int) -> None:
        self._model, self._translates, self._pad = model, translates, pad
        self._positions: dict[Side, Position] = {}
        self._steps: dict[Any, int] = {}
        self._generating: int | None = None
        self._prompt: int | None = None
        self._part: tuple[int, int] | None = None

    def position(self, side: Side) -> Position | None:
        """Return the position that is read on a side, or None before the first pass."""
        position = self._positions.get(side)
        return position if position is None or self._part is None else position.between(*self._part)

    @contextmanager
    def part(self, first: int, end: int) -> Iterator[None]:
        """Return only the position of a range of rows inside a ``with`` block."""
        self._part = (first, end)
        try:
            yield
        finally:
            self._part = None

    def next_step(self, key: Any) -> int:
        """Return how often a stepwise site was passed in this forward pass, and count one more."""
        step = self._steps.get(key, 0)
        self._steps[key] = step + 1
        return step

    @contextmanager
    def following(self) -> Iterator[None]:
        """Follow the model's passes inside a ``with`` block."""
        with ExitStack() as stack:
            if self._translates:
                self._hook(stack, self._model.get_encoder(), self._read_source)
                self._hook(stack, self._model, self._read_target)
            else:
                self._hook(stack, self._model, self._read_source)
            _follow_generation(self._model, self)
            stack.callback(_leave_generation, self._model, self)
            yield

    def _hook(self, stack: ExitStack, module: nn.Module, read: Callable[[dict[str, Any]], None]) -> None:
        names = list(inspect.signature(module.forward).parameters)

        def before(module: nn.Module, arguments: tuple[Any, ...], named: dict[str, Any]) -> None:
            if is_trial():
                return
            self._steps.clear()
            read(dict(zip(names, arguments, strict=False)) | named)

        stack.callback(module.register_forward_pre_hook(before, with_kwargs=True, prepend=True).remove)

    def prepare(self, columns: int, first: bool) -> None:
        """Note that ``generate`` prepares a pass.

        Args:
            columns: how many subwords a row has so far, with padding.
            first: True if they are the prompt.
        """
        if first or self._generating is None:
            self._generating = columns
        self._prompt = self._generating

    def _take_prompt(self) -> int | None:
        """Return the columns of the prompt if this pass is one of ``generate``'s, else None."""
        columns, self._prompt = self._prompt, None
        if columns is None:
            self._generating = None
        return columns

    def _read_source(self, arguments: dict[str, Any]) -> None:
        ids = _shape_of(arguments)
        if ids is None:
            return
        mask = arguments.get("attention_mask")
        prompt = None if self._translates else self._take_prompt()
        past = _past(arguments)
        if not isinstance(mask, Tensor) or mask.dim() != 2:
            mask = ids.new_ones((len(ids), past + ids.shape[1]))
        elif mask.shape[1] < past + ids.shape[1]:
            mask = torch.cat([mask.new_ones((len(mask), past + ids.shape[1] - mask.shape[1])), mask], 1)
        self._set("source", mask.bool(), ids.shape[1], prompt)

    def _read_target(self, arguments: dict[str, Any]) -> None:
        labels, ids = arguments.get("labels"), arguments.get("decoder_input_ids")
        prompt = self._take_prompt()
        if isinstance(ids, Tensor):
            past = _past(arguments)
            mask = arguments.get("decoder_attention_mask")
            if not isinstance(mask, Tensor) or mask.dim() != 2:
                mask = torch.ones_like(ids) if prompt is not None else _before_padding(ids, self._pad)
            if mask.shape[1] < past + ids.shape[1]:
                mask = torch.cat([mask.new_ones((len(mask), past + ids.shape[1] - mask.shape[1])), mask], 1)
            self._set("target", mask.bool(), ids.shape[1], prompt)
        elif isinstance(labels, Tensor):
            self._set("target", labels >= 0, labels.shape[1], None)

    def _set(self, side: Side, mask: Tensor, time: int, prompt: int | None) -> None:
        """Store the position of a pass that reads the last ``time`` columns of the mask, (rows, columns)."""
        index = mask.to(torch.int64).cumsum(1) - 1
        rows = _rows.get()
        repeats, remainder = divmod(len(mask), len(rows.sentences)) if rows is not None else (1, 0)
        self._positions[side] = Position(
            side=side,
            real=mask[:, -time:],
            index=index[:, -time:],
            length=mask.sum(1),
            prompt=None if prompt is None else mask[:, :prompt].sum(1),
            rows=None if remainder or not repeats else rows,
            repeats=max(repeats, 1),
        )


_followers: WeakKeyDictionary[Any, list[Passing]] = WeakKeyDictionary()
PREPARE = "prepare_inputs_for_generation"


def _follow_generation(model: Any, passing: Passing) -> None:
    """Tell ``passing`` of every pass that ``generate`` prepares; blocks may end in any order."""
    following = _followers.setdefault(model, [])
    following.append(passing)
    prepare = getattr(model, PREPARE, None)
    if len(following) > 1 or prepare is None:
        return

    @wraps(prepare)
    def prepared(input_ids: Tensor, *arguments: Any, **named: Any) -> Any:
        for follower in following:
            follower.prepare(int(input_ids.shape[1]), bool(named.get("is_first_iteration")))
        return prepare(input_ids, *arguments, **named)

    setattr(model, PREPARE, prepared)


def is_followed(model: Any) -> bool:
    """Return True if the passes of a model are followed, so that its neurons may be edited."""
    return model in _followers


def announce_step(model: Any, columns: int, *, first: bool) -> None:
    """Announce that the next pass is a step of a generation, as ``generate`` does; see ``Passing.prepare``."""
    for follower in _followers.get(model, ()):
        follower.prepare(columns, first)


def _leave_generation(model: Any, passing: Passing) -> None:
    """Undo :func:`_follow_generation`."""
    following = _followers[model]
    following.remove(passing)
    if not following:
        del _followers[model]
        vars(model).pop(PREPARE, None)


def _shape_of(arguments: dict[str, Any]) -> Tensor | None:
    """Return a tensor (rows, time, ...) of what a pass reads: ids or embeddings."""
    for name in ("input_ids", "inputs_embeds"):
        if isinstance(value := arguments.get(name), Tensor):
            return value[..., 0] if value.dim() == 3 else value
    return None


def _past(arguments: dict[str, Any]) -> int:
    """Return how many subwords the cache of a pass holds."""
    cache = arguments.get("past_key_values")
    length = getattr(cache, "get_seq_length", None)
    return 0 if length is None else int(length())


def _before_padding(ids: Tensor, pad: int) -> Tensor:
    """Return a mask, int64, of the ids before the padding at the end; the first id is never padding."""
    real = (ids != pad).to(torch.int64)
    real[:, 0] = 1
    return real.flip(1).cummax(1).values.flip(1)
