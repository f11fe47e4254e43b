"""Kill a training at every N-th file operation, resume it and compare: killed_training.py DIR N."""

from __future__ import annotations

import sys
from pathlib import Path

from onegrain.models import TrainingOptions, train_nlm
from onegrain.records.corpus import Corpus
from support.killing import compare_killed
from support.tiny import plain_corpus

OPTIONS = TrainingOptions(
    hidden_size=16,
    layers=1,
    vocab_size=120,
    epochs=30,
    patience=2,
    batch_size=24,
    learning_rate=0.1,
    dropout=0.1,
)
TRAIN = plain_corpus().select([*range(8)] * 3)
BACKWARDS = Corpus.from_sentences([sentence[::-1] for sentence in plain_corpus().sentences()])


def work(out: Path) -> None:
    train_nlm(TRAIN, BACKWARDS, out, options=OPTIONS)


if __name__ == "__main__":
    compare_killed(work, Path(sys.argv[1]), "m", sys.argv[2])
