"""Kill a study at every N-th file operation, run it again and compare the records: killed_study.py DIR N."""

from __future__ import annotations

import sys
from pathlib import Path

from onegrain.studies import run_study
from support.killing import compare_killed

STUDY = """
title = "Killed"
show = [["nlm", "test"]]
[corpora]
train = { sandbox = { take = 0, parts = 1, sentences = 60, held_out = 20 } }
test = { sandbox = { take = "test", parts = 1, sentences = 60, held_out = 20 } }
[models.nlm]
kind = "nlm"
train = "train"
valid = "test"
test = "test"
options = { hidden_size = 8, layers = 1, vocab_size = 100, epochs = 1, batch_size = 16 }
[rankings.f]
models = ["nlm"]
method = "f-statistic"
label = "upos"
corpus = "test"
[ablations.perplexity]
models = ["nlm"]
rankings = ["f"]
metric = "perplexity"
corpus = "test"
parameters = { steps = 2, random_orders = 1 }
"""


def work(out: Path) -> None:
    run_study(Path(sys.argv[1]) / "study.toml", out)


if __name__ == "__main__":
    (Path(sys.argv[1]) / "study.toml").write_text(STUDY)
    compare_killed(work, Path(sys.argv[1]), "out", sys.argv[2])
