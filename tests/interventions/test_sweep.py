"""Sweeps: each curve is that of ``ablate``, and nothing is measured twice."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import onegrain as og
from onegrain.core.progress import Progress, silent
from onegrain.engines import LocalEngine, Work
from onegrain.errors import (
    CorpusError,
    LabelError,
    MismatchError,
    OutputExistsError,
    ParameterError,
    RecordError,
)
from onegrain.interventions import Where, ablate, sweep
from onegrain.interventions.checkpoint import Checkpoint
from onegrain.metrics import Measurement, Metric
from onegrain.models import LoadedModel
from onegrain.records.provenance import ModelIdentity
from onegrain.records.space import NeuronSpace
from support.rankings import ranking_of, shuffled
from support.tiny import parallel_corpus, plain_corpus, tiny_nlm, tiny_nmt


@pytest.fixture(scope="module")
def nlm(tmp_path_factory: pytest.TempPathFactory) -> LoadedModel:
    return og.load_model(tiny_nlm(tmp_path_factory.mktemp("models") / "nlm"), device="cpu")


@pytest.fixture(scope="module")
def nmt(tmp_path_factory: pytest.TempPathFactory) -> LoadedModel:
    return og.load_model(tiny_nmt(tmp_path_factory.mktemp("models") / "nmt"), device="cpu")


class Counting(Metric):
    """A metric that counts how often it is asked, and may be cut off."""

    def __init__(self, inner: Metric, stop_at: int = 10**9) -> None:
        self.inner, self.asked, self.stop_at = inner, 0, stop_at

    @property
    def name(self) -> str:
        return self.inner.name

    @property
    def higher_is_better(self) -> bool:
        return self.inner.higher_is_better

    @property
    def corpus(self) -> og.Corpus:
        return self.inner.corpus

    @property
    def parameters(self) -> dict[str, Any]:
        return self.inner.parameters

    def measure(self, model: LoadedModel, *, batch_size: int = 64, progress: Progress = silent) -> Measurement:
        self.asked += 1
        if self.asked >= self.stop_at:
            raise KeyboardInterrupt
        return self.inner.measure(model, batch_size=batch_size, progress=progress)


def test_each_curve_of_a_sweep_is_that_of_ablate(nmt: LoadedModel) -> None:
    corpus = parallel_corpus().head(4)
    rankings = {"a": shuffled(nmt.space(), 1), "b": shuffled(nmt.space(), 2)}
    metrics = {"ppl": og.Perplexity(corpus), "bleu": og.BLEU(corpus, max_new_tokens=12)}
    edits = ["zero", "scale(factor=0.5)"]
    options: dict[str, Any] = {"counts": [5, 30], "random_orders": 2, "lines": ["top", "random", "keep"]}
    record = sweep(nmt, rankings, metrics, edits, **options)
    assert record.settings() == [
        (name, None, metric, edit) for name in rankings for edit in edits for metric in metrics
    ]
    for (name, _, metric, edit), curve in record.curves().items():
        alone = ablate(nmt, rankings[name], metrics[metric], edit=edit, **options)
        assert curve.points["line"].tolist() == alone.points["line"].tolist()
        np.testing.assert_allclose(curve.points["value"], alone.points["value"], rtol=1e-6)
        np.testing.assert_allclose(curve.points[["low", "high"]], alone.points[["low", "high"]], rtol=1e-5)
        assert curve.details["order"] == alone.details["order"] == rankings[name].order_hash
        np.testing.assert_allclose(curve.details["random_values"], alone.details["random_values"], rtol=1e-6)
        assert (curve.metric, curve.signature) == (alone.metric, alone.signature)
        assert curve.provenance.inputs == (rankings[name].provenance,)


def test_a_label_has_its_own_order(nlm: LoadedModel) -> None:
    scores = np.random.default_rng(0).random((2, 48))
    ranking = og.Ranking(
        "lca", nlm.space(), np.arange(48), scores.sum(0), 48, og.Provenance(stage="rank"),
        layer="upos", labels=("NOUN", "VERB"), label_scores=scores,
    )  # fmt: skip
    metric = og.Perplexity(plain_corpus().head(3))
    record = sweep(nlm, ranking, metric, labels=["NOUN", "VERB"], shares=[0.25], lines="top")
    assert record.labels == ("NOUN", "VERB")
    assert record.rankings == ("lca",)
    for label in ("NOUN", "VERB"):
        alone = ablate(nlm, ranking.label(label), metric, counts=[12], lines="top")
        assert record.curve(label=label).points.equals(alone.points)
        assert record.curve(label=label).details["order"] == ranking.label(label).order_hash
    with pytest.raises(ParameterError, match="several curves of this sweep: ranking='lca', label='NOUN'"):
        record.curve()
    with pytest.raises(ParameterError, match="no curve of this sweep"):
        record.curve(label="ADJ")
    with pytest.raises(LabelError, match="no label 'ADJ'"):
        sweep(nlm, ranking, metric, labels="ADJ")


def test_equal_sets_are_measured_once_for_all_rankings(nlm: LoadedModel) -> None:
    metric = Counting(og.Perplexity(plain_corpus().head(2)))
    rankings = {"a": shuffled(nlm.space("layers.1"), 1), "b": shuffled(nlm.space("layers.1"), 2)}
    sweep(nlm, rankings, metric, counts=[4, 16], random_orders=3)
    # none, all; at 4 the top and the bottom of both and three random orders, which share the one site
    assert metric.asked == 2 + 4 + 3
    again = Counting(og.Perplexity(plain_corpus().head(2)))
    sweep(nlm, rankings, again, ["zero", "add(value=1.0)"], counts=[4, 16], random_orders=3)
    assert again.asked == 1 + 2 * 8


def test_a_sweep_saves_and_loads(nlm: LoadedModel, tmp_path: Path) -> None:
    rankings = {"z": shuffled(nlm.space(), 1), "a": shuffled(nlm.space("layers.1"), 2)}
    metric = og.Perplexity(plain_corpus().head(3))
    record = sweep(nlm, rankings, metric, ["zero", "clamp(value=1.0)"], counts=[3], random_orders=2, seed=5)
    record.save(tmp_path / "s.parquet")
    again = og.load(tmp_path / "s.parquet")
    assert isinstance(again, og.Sweep)
    assert again.points.equals(record.points)
    assert (again.rankings, again.edits, again.labels) == (("z", "a"), ("zero", "clamp(value=1.0)"), (None,))
    assert (again.sizes, again.metrics, again.details) == (record.sizes, record.metrics, record.details)
    assert again.provenance == record.provenance
    assert again.draws is not None
    assert np.array_equal(again.draws, record.draws)
    parameters = again.provenance.parameters
    assert parameters["counts"] == {"z": [0, 3], "a": [0, 3]}
    assert (parameters["match"], again.provenance.seed) == ("site", 5)
    assert parameters["edits"] == ["zero", "clamp(value=1.0)"]


def test_a_sweep_cut_off_resumes_without_repeating_a_measurement(nlm: LoadedModel, tmp_path: Path) -> None:
    kept, inner = tmp_path / "kept", og.Perplexity(plain_corpus().head(3))
    ranking, options = shuffled(nlm.space(), 1), {"counts": [3, 9, 20], "random_orders": 2}
    whole = sweep(nlm, ranking, inner, **options)
    broken = Counting(inner, stop_at=6)
    with pytest.raises(KeyboardInterrupt):
        sweep(nlm, ranking, broken, checkpoint=kept, **options)
    seen: list[int] = []

    @contextmanager
    def progress(description: str, total: int, unit: str) -> Iterator[Callable[[int], None]]:
        yield seen.append

    rest = Counting(inner)
    resumed = sweep(nlm, ranking, rest, checkpoint=kept, progress=progress, **options)
    assert rest.asked == 1 + 3 * 4 - 5
    assert seen == [5] + [1] * rest.asked
    assert resumed.points.equals(whole.points)
    assert np.array_equal(resumed.draws, whole.draws)
    finished = Counting(inner)
    sweep(nlm, ranking, finished, checkpoint=kept, **options)
    assert finished.asked == 0


def test_a_checkpoint_is_used_only_for_the_same_measurements(nlm: LoadedModel, tmp_path: Path) -> None:
    kept, ranking = tmp_path / "kept", shuffled(nlm.space(), 1)
    corpus = plain_corpus().head(3)
    acts, other = (og.live_activations(nlm, plain_corpus().head(n)) for n in (3, 4))

    def asked(metric: Metric, edit: str = "mean", model: LoadedModel = nlm, **options: Any) -> int:
        counting = Counting(metric)
        options = {"counts": [3], "lines": "top", "reference": acts, "checkpoint": kept, **options}
        sweep(model, ranking, counting, edit, **options)
        return counting.asked

    assert asked(og.Perplexity(corpus)) == 2
    assert asked(og.Perplexity(corpus)) == 0
    assert asked(og.Perplexity(plain_corpus().head(4))) == 2
    assert asked(og.Perplexity(corpus), reference=other) >= 1
    assert asked(og.Perplexity(corpus), "zero") == 1
    assert asked(og.Perplexity(corpus), where=Where(positions=(1,))) == 1
    assert asked(og.Perplexity(corpus), model=nlm.without_start_token()) == 2
    assert asked(og.Perplexity(corpus), counts=[3, 4]) == 1


def test_a_damaged_checkpoint_is_measured_again_and_a_foreign_file_refused(
    nlm: LoadedModel, tmp_path: Path
) -> None:
    kept, inner = tmp_path / "kept", og.Perplexity(plain_corpus().head(3))
    ranking, options = shuffled(nlm.space(), 1), {"counts": [3, 9], "lines": ["top", "bottom"]}
    whole = sweep(nlm, ranking, inner, checkpoint=kept, **options)
    data = kept.read_bytes()
    lines = data.splitlines(keepends=True)
    assert len(lines) == 1 + 5
    flipped = bytearray(data)
    flipped[len(lines[0]) + len(lines[1]) // 2] ^= 1
    for damaged, missing in (
        (data[:-100], 1),
        (data[: len(lines[0]) // 2], 5),
        (b"", 5),
        (bytes(flipped), 1),
        (data + b"\n[]\n{}\n\xff\n" + b"9" * 5000 + b"\n", 0),
        (b"".join(lines[:3]) + lines[3][:50] + b"\n" + b"".join(lines[4:]), 1),
    ):
        kept.write_bytes(damaged)
        counting = Counting(inner)
        assert sweep(nlm, ranking, counting, checkpoint=kept, **options).points.equals(whole.points)
        assert counting.asked == missing
        again = Counting(inner)
        sweep(nlm, ranking, again, checkpoint=kept, **options)
        assert again.asked == 0
    for foreign in (b"some notes\n", b'{"record": "curve"}\n', b"no line"):
        kept.write_bytes(foreign)
        with pytest.raises(RecordError, match="kept is not a checkpoint of a sweep"):
            sweep(nlm, ranking, inner, checkpoint=kept, **options)
        assert kept.read_bytes() == foreign


def test_two_sweeps_do_not_write_to_one_checkpoint(tmp_path: Path) -> None:
    with (
        Checkpoint(tmp_path / "kept"),
        pytest.raises(OutputExistsError, match="another process is writing"),
        Checkpoint(tmp_path / "kept"),
    ):
        pass


class Elsewhere:
    """An engine that pickles what it is given, as other processes receive it."""

    def __init__(self) -> None:
        self.items = 0

    def stream(self, start: Callable[[], Work], items: Any, advance: Callable[[int], None]) -> Iterator[Any]:
        import pickle

        work = pickle.loads(pickle.dumps(start))()
        for item in items:
            self.items += 1
            yield pickle.loads(pickle.dumps(work(pickle.loads(pickle.dumps(item)), advance)))


def test_another_engine_gives_the_same_points(nlm: LoadedModel, tmp_path: Path) -> None:
    rankings = {"a": shuffled(nlm.space(), 1), "b": shuffled(nlm.space(), 2)}
    metric, acts = og.Perplexity(plain_corpus()), og.live_activations(nlm, plain_corpus())
    options: dict[str, Any] = {"counts": [3, 9, 20], "random_orders": 2, "reference": acts}
    without = nlm.without_start_token()
    here = sweep(without, rankings, metric, ["zero", "mean"], engine=LocalEngine(), **options)
    engine = Elsewhere()
    there = sweep(
        without, rankings, metric, ["zero", "mean"], engine=engine, checkpoint=tmp_path / "kept", **options
    )
    assert engine.items > 1
    np.testing.assert_allclose(there.points["value"], here.points["value"], rtol=1e-6)
    assert there.points.drop(columns=["value", "low", "high"]).equals(
        here.points.drop(columns=["value", "low", "high"])
    )
    nothing = Elsewhere()
    sweep(without, rankings, metric, ["zero", "mean"], engine=nothing, checkpoint=tmp_path / "kept", **options)
    assert nothing.items == 0


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"edits": []}, ParameterError, "edits is empty"),
        ({"edits": "sponge"}, ParameterError, "the edits are: zero"),
        ({"edits": "mean"}, ParameterError, "the edit mean needs a reference"),
        ({"edits": ["zero", "interchange"]}, ParameterError, "needs pairs"),
        (
            {"edits": "interchange", "pairs": plain_corpus().head(2)},
            CorpusError,
            "2 paired sentences for the 3",
        ),
        ({"rankings": {}}, ParameterError, "there is no ranking"),
        ({"rankings": "twice"}, ParameterError, "two rankings are named given"),
        ({"rankings": "foreign"}, MismatchError, r"twin.*abababababab"),
        ({"rankings": "wider"}, MismatchError, "17"),
        ({"rankings": "elsewhere"}, MismatchError, "does not have these neurons"),
        ({"metrics": []}, ParameterError, "there is no metric"),
        ({"labels": []}, ParameterError, "labels is empty"),
        ({"lines": "middle"}, ParameterError, "no line 'middle'; the lines are: top, bottom, random, keep"),
        ({"shares": [0.0]}, ParameterError, "shares must lie above 0"),
        ({"shares": [0.5], "counts": [1]}, ParameterError, "either counts or shares, not both"),
        ({"shares": [0.5], "max_erased": 4}, ParameterError, "either shares or max_erased"),
        ({"every": 0}, ParameterError, "every must be 1 or more"),
        ({"random_orders": 0}, ParameterError, "random_orders must be"),
        ({"batch_size": 0}, ParameterError, "batch_size must be"),
        ({"recurrent": True, "rankings": "embeddings"}, ParameterError, "not the output of an LSTM layer"),
        ({"where": Where(words="upos=NOUN")}, LabelError, "has no words with upos=NOUN"),
        ({"engine": "moon"}, ParameterError, "the engines are: local, ray"),
    ],
)
def test_what_is_impossible_is_refused_before_any_measurement(
    nlm: LoadedModel, changes: dict[str, Any], error: type[Exception], message: str
) -> None:
    space = nlm.space()
    other = ModelIdentity(id="twin", architecture="LSTMLanguageModel", weight_hash="ab" * 32)
    named = {
        "twice": [shuffled(space, 1), shuffled(space, 2)],
        "foreign": ranking_of(space, range(48), og.Provenance(stage="rank", model=other)),
        "wider": ranking_of(NeuronSpace(("layers.0",), (17,)), range(17)),
        "elsewhere": ranking_of(NeuronSpace(("layers.7",), (16,)), range(16)),
        "embeddings": shuffled(nlm.space("embeddings"), 1),
    }
    counting = Counting(og.Perplexity(plain_corpus().head(3)))
    arguments = {"rankings": shuffled(space, 1), "metrics": counting, "edits": "zero", **changes}
    if isinstance(arguments["rankings"], str):
        arguments["rankings"] = named[arguments["rankings"]]
    with pytest.raises(error, match=message):
        sweep(nlm, **arguments)
    assert counting.asked == 0


def test_a_reference_of_another_model_is_refused_before_any_measurement(
    nlm: LoadedModel, nmt: LoadedModel
) -> None:
    counting = Counting(og.Perplexity(plain_corpus().head(3)))
    foreign = og.live_activations(nmt, parallel_corpus().head(3))
    with pytest.raises(MismatchError, match="the reference"):
        sweep(nlm, shuffled(nlm.space(), 1), counting, "mean", reference=foreign)
    part = og.live_activations(nlm, plain_corpus(), sites="layers.1")
    with pytest.raises(MismatchError, match="the reference has no site 'embeddings'"):
        sweep(nlm, shuffled(nlm.space(), 1), counting, "mean", reference=part)
    assert counting.asked == 0
