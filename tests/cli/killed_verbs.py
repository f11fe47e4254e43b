"""Kill rank or ablate at every N-th file operation, repeat it and compare: killed_verbs.py DIR N VERB."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from killing import compare_killed
from onegrain.activations import extract
from onegrain.cli import main
from onegrain.models import load_model
from tiny import parallel_corpus, tiny_nlm

BASE, STEP, VERB = Path(sys.argv[1]), sys.argv[2], sys.argv[3]
RANK = ["rank", "std,random", str(BASE / "words.zarr"), "--out"]
ABLATE = [
    "ablate",
    str(BASE / "nlm"),
    str(BASE / "r.parquet"),
    str(BASE / "words.txt"),
    "--metric",
    "perplexity",
]
COMMANDS = {
    "rank": ("r", RANK),
    "ablate": ("curve.parquet", [*ABLATE, "--steps", "2", "--random-orders", "1", "--out"]),
}


def command(*arguments: str) -> None:
    sys.argv = ["onegrain", *arguments]
    try:
        main()
    except SystemExit as end:
        if end.code:
            raise


def prepare() -> None:
    """Write a model, a text, a store and a ranking, in a child so that this process never computes."""
    child = os.fork()
    if child == 0:
        tiny_nlm(BASE / "nlm")
        corpus = parallel_corpus()
        (BASE / "words.txt").write_text("\n".join(" ".join(words) for words in corpus.sentences()) + "\n")
        extract(load_model(BASE / "nlm", device="cpu"), corpus, BASE / "words.zarr")
        command("rank", "std", str(BASE / "words.zarr"), "--out", str(BASE / "r.parquet"))
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0


prepare()
name, given = COMMANDS[VERB]
compare_killed(lambda out: command(*given, str(out)), BASE, name, STEP)
