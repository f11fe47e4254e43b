"""Work on models: order, cancellation, time limits, giving way, and the one model in memory."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import onegrain as og
from onegrain.core.interruption import check_interruption
from onegrain.errors import MismatchError, OnegrainError, ParameterError
from onegrain.explorer.collecting import collect
from onegrain.explorer.collection import Collection, Entry
from onegrain.explorer.errors import BusyError, NotFoundError, TimeLimitError
from onegrain.explorer.settings import Settings
from onegrain.explorer.work import State, Work
from onegrain.explorer.work.models import ModelKeeper, model_place
from onegrain.models import LoadedModel
from onegrain.records.corpus import Corpus
from support.tiny import plain_corpus, tiny_nlm

LONGEST_WAIT = 20.0


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with two models and a store of one of them."""
    base = tmp_path_factory.mktemp("work")
    model = og.load_model(tiny_nlm(base / "models" / "one"), device="cpu")
    og.extract(model, plain_corpus(), base / "store.zarr")
    tiny_nlm(base / "models" / "two", seed=1)
    return base


@pytest.fixture(scope="module")
def collection(folder: Path) -> Collection:
    return collect([folder])


@pytest.fixture
def work(collection: Collection) -> Iterator[Work]:
    work = Work(collection, Settings(most_sweeps=2, most_texts=3))
    yield work
    work.stop()


def entry_of(collection: Collection, name: str = "store") -> Entry:
    return collection.entry(name)


def until(is_true: Callable[[], bool]) -> None:
    end = time.monotonic() + LONGEST_WAIT
    while not is_true():
        assert time.monotonic() < end
        time.sleep(0.005)


class Gate:
    """Work that asks for its end until it is opened."""

    def __init__(self) -> None:
        self.begun, self.opened = threading.Event(), threading.Event()

    def __call__(self, model: Any, progress: Any) -> str:
        self.begun.set()
        while not self.opened.wait(0.002):
            check_interruption()
        return "opened"


def test_a_result_and_an_error_reach_the_caller(work: Work, collection: Collection) -> None:
    entry = entry_of(collection)
    assert work.run(entry, lambda model, progress: model.identity.weight_hash) == entry.weights
    with pytest.raises(ParameterError, match="no neuron is set"):
        work.run(entry, lambda model, progress: og.steer(model, [], "the old dog"))


def test_an_unexpected_error_names_its_kind(work: Work, collection: Collection) -> None:
    with pytest.raises(OnegrainError, match="text failed: ZeroDivisionError"):
        work.run(entry_of(collection), lambda model, progress: 1 // 0)


def test_one_model_is_in_memory_and_is_kept(work: Work, collection: Collection) -> None:
    first = work.run(entry_of(collection), lambda model, progress: model)
    assert work.run(entry_of(collection, "models/one"), lambda model, progress: model) is first
    other = work.run(entry_of(collection, "models/two"), lambda model, progress: model)
    assert other.identity.weight_hash != first.identity.weight_hash
    assert work.run(entry_of(collection), lambda model, progress: model) is not first


def test_a_model_of_the_same_name_with_other_weights_is_refused(folder: Path, tmp_path: Path) -> None:
    other = collect([folder / "store.zarr", tiny_nlm(tmp_path / "one", seed=7)])
    with pytest.raises(MismatchError, match="with the weights"):
        ModelKeeper(other).load(other.entry("store"))


def test_a_model_that_is_only_named_is_loaded_if_it_is_on_this_machine(folder: Path, tmp_path: Path) -> None:
    alone = collect([folder / "store.zarr"])
    assert model_place(alone, alone.entry("store")) == str(folder / "models" / "one")
    gone = og.load_model(tiny_nlm(tmp_path / "gone"), name="nobody/gone", device="cpu")
    og.extract(gone, plain_corpus(), tmp_path / "gone.zarr")
    named = collect([tmp_path / "gone.zarr"])
    with pytest.raises(NotFoundError, match="the model gone is not here"):
        model_place(named, named.entry("gone"))


def test_a_model_of_the_hub_is_taken_from_the_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import huggingface_hub

    snapshot = tiny_nlm(tmp_path / "snapshot")
    model = og.load_model(snapshot, name="nobody/here", device="cpu")
    og.extract(model, plain_corpus(), tmp_path / "here.zarr")
    monkeypatch.setattr(
        huggingface_hub,
        "try_to_load_from_cache",
        lambda name, file: str(snapshot / file) if name == "nobody/here" else None,
    )
    named = collect([tmp_path / "here.zarr"])
    assert ModelKeeper(named).load(named.entry("here")).identity.weight_hash == model.identity.weight_hash


def test_waiting_and_running_jobs_are_cancelled(work: Work, collection: Collection) -> None:
    gate = Gate()
    running = work.submit(entry_of(collection), gate, title="running")
    waiting = work.submit(entry_of(collection), gate, title="waiting")
    gate.begun.wait(LONGEST_WAIT)
    assert (running.state, waiting.state) == (State.RUNNING, State.WAITING)
    waiting.cancel()
    assert waiting.state is State.CANCELLED
    running.cancel()
    with pytest.raises(BusyError, match="cancelled"):
        running.wait(LONGEST_WAIT)
    assert running.state is State.CANCELLED


def test_the_passes_of_a_model_end_cancelled_work(work: Work, collection: Collection) -> None:
    """Scoring a corpus again and again ends, although the function itself never asks."""
    begun = threading.Event()

    def score(model: LoadedModel, progress: Any) -> None:
        while True:
            model.sentence_losses(plain_corpus())
            begun.set()

    def generate(model: LoadedModel, progress: Any) -> None:
        begun.set()
        while True:
            model.continue_prompts(Corpus.from_sentences([["the", "dog"]]), max_new_tokens=40)

    for function in (score, generate):
        begun.clear()
        job = work.submit(entry_of(collection), function, title="endless")
        assert begun.wait(LONGEST_WAIT)
        job.cancel()
        until(lambda job=job: job.state.finished)  # type: ignore[misc]
        assert job.state is State.CANCELLED


def test_work_that_takes_too_long_ends(work: Work, collection: Collection) -> None:
    work.run(entry_of(collection), lambda model, progress: None)
    with pytest.raises(TimeLimitError, match=r"longer than 0\.05 s"):
        work.run(entry_of(collection), Gate(), seconds=0.05)
    assert work.run(entry_of(collection), lambda model, progress: "next") == "next"


def test_a_turn_that_does_not_come_is_given_up(work: Work, collection: Collection) -> None:
    gate = Gate()
    work.submit(entry_of(collection), gate, title="running")
    gate.begun.wait(LONGEST_WAIT)
    with pytest.raises(BusyError, match="takes long"):
        work.run(entry_of(collection), lambda model, progress: None, seconds=0.02)
    gate.opened.set()


def test_the_queue_is_limited(work: Work, collection: Collection) -> None:
    gate = Gate()
    entry = entry_of(collection)
    jobs = [work.submit(entry, gate, title="sweep", long=True) for _ in range(2)]
    with pytest.raises(BusyError, match="2 sweeps wait or run"):
        work.submit(entry, gate, title="sweep", long=True)
    jobs[1].cancel()
    work.submit(entry, gate, title="sweep", long=True)
    texts = [work.submit(entry, gate, title="text") for _ in range(3)]
    with pytest.raises(BusyError, match="3 texts"):
        work.submit(entry, gate, title="text")
    gate.opened.set()
    assert [text.wait(LONGEST_WAIT) for text in texts] == ["opened"] * 3


def test_long_work_gives_way_where_nothing_is_lost(work: Work, collection: Collection) -> None:
    entry, kept, calls, order = entry_of(collection), [], [], []
    text_waits = threading.Event()

    def sweep(model: LoadedModel, progress: Any) -> str:
        calls.append(len(kept))
        with progress("sweep", 3, "points") as advance:
            while len(kept) < 3:
                check_interruption()
                if len(kept) == 1:
                    text_waits.wait(LONGEST_WAIT)
                check_interruption()  # inside a point: giving way here would lose it
                kept.append(len(kept))
                order.append("point")
                advance(1)
        return "done"

    long = work.submit(entry, sweep, title="sweep", long=True)
    until(lambda: len(kept) == 1)
    text = work.submit(entry, lambda model, progress: order.append("text"), title="text")
    text_waits.set()
    text.wait(LONGEST_WAIT)
    assert long.wait(LONGEST_WAIT) == "done"
    assert order == ["point", "point", "text", "point"]
    assert calls == [0, 2]
    assert (long.stage.done, long.stage.total, long.stage.unit) == (1, 3, "points")


def test_stopping_ends_running_and_waiting_work(work: Work, collection: Collection) -> None:
    gate, entry = Gate(), entry_of(collection)
    jobs = [work.submit(entry, gate, title="sweep", long=True) for _ in range(2)]
    gate.begun.wait(LONGEST_WAIT)
    work.stop()
    assert [job.state for job in jobs] == [State.CANCELLED] * 2
    with pytest.raises(BusyError, match="stopping"):
        work.submit(entry, gate, title="text")
    work.open()
    assert work.run(entry, lambda model, progress: "again") == "again"


def test_jobs_are_known_by_their_id(work: Work, collection: Collection) -> None:
    job = work.submit(entry_of(collection), lambda model, progress: None, title="text")
    assert work.job(job.id) is job
    with pytest.raises(NotFoundError):
        work.job("nothing")
