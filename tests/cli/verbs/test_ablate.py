from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import sacrebleu

from cli.conftest import Run
from onegrain.corpora import read_corpus, read_parallel
from onegrain.interventions import erasing
from onegrain.metrics import METRICS, DocumentPerplexity, MinimalPairs
from onegrain.models import load_model
from onegrain.records.curve import Curve
from onegrain.records.ranking import Ranking


def test_chrf_from_the_command_line_is_sacrebleus(run: Run, inputs: Path, tmp_path: Path) -> None:
    store, order, out = tmp_path / "encoder.zarr", tmp_path / "random.parquet", tmp_path / "chrf.parquet"
    assert run("extract", inputs / "nmt", inputs / "words.txt", "--out", store)[0] == 0
    assert run("rank", "random", store, "--out", order)[0] == 0
    code, printed, err = run(
        "ablate", inputs / "nmt", order, inputs / "words.txt", inputs / "target.txt", "--metric", "chrf",
        "--metric-set", "beams=2", "--counts", "0,48", "--random-orders", 1, "--limit", 4, "--out", out,
        "--json",
    )  # fmt: skip
    assert code == 0, err
    assert json.loads(printed)["metric"] == "chrf"
    curve, ranking = Curve.load(out), Ranking.load(order)
    assert curve.higher_is_better
    assert curve.signature.startswith("nrefs:1|case:mixed|eff:yes|nc:6|nw:0|space:no|version:")
    assert curve.signature.endswith("|beams:2")
    model = load_model(inputs / "nmt", device="cpu")
    corpus = read_parallel(inputs / "words.txt", inputs / "target.txt").head(4)
    assert corpus.target is not None
    references = [" ".join(sentence) for sentence in corpus.target.sentences()]
    top = curve.line("top").set_index("neurons")
    for erased in (0, 48):
        with erasing(model, ranking.space, ranking.order[:erased]):
            translations = model.translate(corpus, beams=2)
        expected = sacrebleu.CHRF().corpus_score(translations, [references]).score
        assert top.loc[erased, "value"] == pytest.approx(expected)
        assert top.loc[erased, "low"] <= expected <= top.loc[erased, "high"]
    assert curve.draws is not None
    bounds = np.quantile(curve.draws_of("top"), [0.025, 0.975], axis=1)
    np.testing.assert_allclose(bounds, top[["low", "high"]].to_numpy().T)


def test_an_option_that_the_metric_lacks_is_refused(run: Run, inputs: Path, tmp_path: Path) -> None:
    store, order = tmp_path / "words.zarr", tmp_path / "random.parquet"
    assert run("extract", inputs / "nlm", inputs / "words.txt", "--out", store)[0] == 0
    assert run("rank", "random", store, "--out", order)[0] == 0
    ablate = ("ablate", inputs / "nlm", order, inputs / "words.txt")
    for arguments, message in (
        ((*ablate, "--metric", "perplexity", "--metric-set", "beams=4"), "perplexity has no parameter beams"),
        (
            (*ablate, inputs / "target.txt", "--metric", "chrf", "--metric-set", "tokenize=13a"),
            "no parameter tokenize",
        ),
        ((*ablate, "--metric", "chrf"), "chrf takes two files"),
        ((*ablate, "--metric", "ter"), "the metrics are: perplexity, bleu, chrf"),
    ):
        code, _, err = run(*arguments, "--out", tmp_path / "curve.parquet")
        assert code == 1
        assert message in err


@pytest.mark.parametrize("verb", ["ablate", "compare"])
def test_the_help_names_every_metric(run: Run, verb: str) -> None:
    code, printed, _ = run(verb, "--help")
    assert code == 0
    assert all(name in printed for name in METRICS)


def test_parameters_of_a_metric_from_the_command_line(run: Run, inputs: Path, tmp_path: Path) -> None:
    store, order, out = tmp_path / "words.zarr", tmp_path / "random.parquet", tmp_path / "curve.parquet"
    assert run("extract", inputs / "nlm", inputs / "words.txt", "--out", store)[0] == 0
    assert run("rank", "random", store, "--out", order)[0] == 0
    ablate = ("ablate", inputs / "nlm", order, inputs / "words.txt", "--counts", "0,8", "--random-orders", 1)
    windows = ("--metric", "document_perplexity", "--metric-set", "window=20", "--metric-set", "stride=7")
    code, printed, err = run(*ablate, *windows, "--out", out, "--json")
    assert code == 0, err
    model, corpus = load_model(inputs / "nlm", device="cpu"), read_corpus(inputs / "words.txt")
    expected = DocumentPerplexity(corpus, window=20, stride=7).measure(model)
    assert json.loads(printed)["intact"] == pytest.approx(expected.value)
    assert Curve.load(out).signature == expected.signature
    for arguments, message in (
        (("--metric", "document_perplexity", "--metric-set", "span=3"), "no parameter span; it takes: window"),
        (("--metric", "document_perplexity", "--metric-set", "window"), "--metric-set takes NAME=VALUE"),
        (("--metric", "log_probability_difference"), "log_probability_difference needs first and second"),
        (("--metric", "minimal_pairs"), "lacks the layer 'acceptability'"),
        (("--metric", "pseudo_perplexity"), "is a language model; use perplexity"),
    ):
        code, _, err = run(*ablate, *arguments, "--out", tmp_path / "refused.parquet")
        assert code == 1
        assert message in " ".join(err.split())
        assert not (tmp_path / "refused.parquet").exists()


def test_minimal_pairs_from_the_command_line(run: Run, inputs: Path, tmp_path: Path) -> None:
    store, order, out = tmp_path / "words.zarr", tmp_path / "random.parquet", tmp_path / "curve.parquet"
    assert run("extract", inputs / "nlm", inputs / "words.txt", "--out", store)[0] == 0
    assert run("rank", "random", store, "--out", order)[0] == 0
    pairs = tmp_path / "pairs.jsonl"
    lines = [
        {"sentence_good": f"the {noun} sleeps.", "sentence_bad": f"the {noun} sleep.", "UID": "number"}
        for noun in ("dog", "bird", "mother")
    ]
    pairs.write_text("".join(json.dumps(line) + "\n" for line in lines))
    code, printed, err = run(
        "ablate", inputs / "nlm", order, pairs, "--metric", "minimal_pairs", "--counts", "0,8",
        "--random-orders", 1, "--out", out, "--json",
    )  # fmt: skip
    assert code == 0, err
    assert "read as pairs" in err
    expected = MinimalPairs(read_corpus(pairs)).measure(load_model(inputs / "nlm", device="cpu"))
    assert json.loads(printed)["intact"] == pytest.approx(expected.value)
