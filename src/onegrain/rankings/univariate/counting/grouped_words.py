"""The words that a univariate ranking counts, read in blocks."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Bool, Float32, Int64

from onegrain.core.progress import Progress, automatic
from onegrain.errors import ParameterError
from onegrain.rankings.data.blocks import BLOCK_ROWS, read_blocks
from onegrain.rankings.labels import keep_labels
from onegrain.records.activations import Activations

__all__ = ["GroupedWords", "labelled_words", "words_with_activation"]


@dataclass(frozen=True, eq=False)
class GroupedWords:
    """The words that count, each with the number of its group.

    Attributes:
        activations: the activations that are read.
        among: bool (words of the corpus,), True for the words that count.
        codes: int64 (words of the corpus,), positions in ``labels``; used only where ``among`` is True.
        labels: names of the groups; empty if all words are one group.
        left_out: number of words that do not count, by reason.
        labels_left_out: number of words of each label that was left out.
        progress: receives the number of words done.
    """

    activations: Activations
    among: Bool[np.ndarray, " words"]
    codes: Int64[np.ndarray, " words"]
    labels: tuple[str, ...] = ()
    left_out: dict[str, int] = field(default_factory=dict)
    labels_left_out: dict[str, int] = field(default_factory=dict)
    progress: Progress = automatic

    def __len__(self) -> int:
        return int(self.among.sum())

    @property
    def n_groups(self) -> int:
        """Number of groups."""
        return max(1, len(self.labels))

    def counts(self) -> Int64[np.ndarray, " labels"]:
        """Return the number of words of each label."""
        return np.bincount(self.codes[self.among], minlength=len(self.labels))

    def details(self) -> dict[str, object]:
        """Return what the record of a ranking reports about its words."""
        facts: dict[str, object] = {"words": len(self), "left_out": dict(self.left_out)}
        if self.labels:
            facts["labels_left_out"] = dict(self.labels_left_out)
            facts["label_words"] = dict(zip(self.labels, self.counts().tolist(), strict=True))
        return facts

    def blocks(
        self,
        what: str,
        neurons: slice | None = None,
        among: Bool[np.ndarray, " words"] | None = None,
        *,
        checked: bool = True,
        ahead: bool = True,
    ) -> Iterator[tuple[Int64[np.ndarray, " rows"], Float32[np.ndarray, "rows neurons"]]]:
        """Yield the words that count block by block: their numbers in the corpus, and their values.

        The values of a block are overwritten by the next block.

        Args:
            what: name of the pass, for progress.
            neurons: a range of flat indices; all neurons by default.
            among: bool (words of the corpus,), a part of the words that count; all of them by default.
            checked: check that all values are finite; otherwise the caller has to.
            ahead: read a block while the one before is processed.

        Raises:
            ParameterError: an activation is not finite.
        """
        activations, n_words = self.activations, self.activations.n_words
        span = neurons or slice(0, activations.n_neurons)
        selected = self.among if among is None else self.among & among
        with self.progress(what, int(selected.sum()), "words") as advance:
            for rows, read in read_blocks([activations], [span], (0, n_words), selected, ahead=ahead):
                assert read[0] is not None, "the ranked model is always read"
                values = read[0].numpy()
                if checked and not np.isfinite(values).all():
                    self.require_finite(int(rows[0]))
                yield rows, values
                advance(len(rows))

    def require_finite(self, first: int) -> None:
        """Raise ParameterError for the first activation that is not finite in the block beginning at a word."""
        values = self.activations.values(first, first + BLOCK_ROWS)
        self.activations.require_finite(values, first, self.among)


def words_with_activation(activations: Activations, progress: Progress = automatic) -> GroupedWords:
    """Return every word that has an activation, all in one group.

    Raises:
        ParameterError: no word has an activation.
    """
    among = activations.present
    if not among.any():
        raise ParameterError(
            f"no word of {activations.describe()} has an activation; extract with long=window, or other words"
        )
    left_out = {"no_activation": int((~among).sum())}
    codes = np.zeros(activations.n_words, dtype=np.int64)
    return GroupedWords(activations, among, codes, (), left_out, progress=progress)


def labelled_words(
    activations: Activations, layer: str, progress: Progress = automatic, *, min_count: int = 1
) -> GroupedWords:
    """Return the words that have an activation and a label with at least ``min_count`` words.

    Raises:
        LabelError: the layer does not exist, or fewer than two labels are left.
    """
    layer_codes, present = activations.layer(layer).codes, activations.present
    kept = keep_labels(activations, layer, present, min_count)
    number = {name: code for code, name in enumerate(kept.names)}
    codes = np.array([number.get(name, -1) for name in (*activations.layer(layer).vocabulary, "")], np.int64)
    codes[-1] = -1
    codes = codes[layer_codes]
    left_out = {
        "unlabelled": int((present & (layer_codes < 0)).sum()),
        "rare_label": sum(kept.left_out.values()),
        "no_activation": int((~present).sum()),
    }
    return GroupedWords(
        activations, present & (codes >= 0), codes, kept.names, left_out, kept.left_out, progress
    )
