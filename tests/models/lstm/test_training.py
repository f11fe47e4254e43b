from __future__ import annotations

import errno
import fcntl
import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file

from onegrain.core.progress import Progress, silent
from onegrain.errors import (
    MismatchError,
    OutputExistsError,
    ParameterError,
    RecordError,
    StorageError,
)
from onegrain.metrics import unigram_perplexity
from onegrain.models import TrainingOptions, is_trained, load_model, train_nlm, train_nmt
from onegrain.records.corpus import Corpus
from support.killed import kill_points
from support.tiny import parallel_corpus, plain_corpus

OPTIONS = TrainingOptions(
    hidden_size=16, layers=1, vocab_size=120, epochs=3, patience=3, batch_size=8, learning_rate=1e-2
)
TRAIN = plain_corpus().select([*range(8)] * 3)
PAIRS = parallel_corpus().select([*range(8)] * 3)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return train_nlm(TRAIN, plain_corpus(), tmp_path_factory.mktemp("trained") / "nlm", options=OPTIONS)


def cut_off_after(steps: int) -> Progress:
    """A progress that stands in for Ctrl-C after some steps."""

    @contextmanager
    def progress(description: str, total: int, unit: str) -> Iterator[Callable[[int], None]]:
        done = 0

        def advance(more: int) -> None:
            nonlocal done
            done += more
            if done >= steps:
                raise KeyboardInterrupt

        yield advance

    return progress


def content_of(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def identity(folder: Path) -> dict[str, Any]:
    record = json.loads((folder / "training.json").read_text())
    return {name: record[name] for name in ("kind", "version", "options", "corpora")}


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return load_file(folder / "model.safetensors")


def test_what_a_training_leaves(trained: Path) -> None:
    files = sorted(path.name for path in trained.iterdir())
    assert {"config.json", "model.safetensors", "tokenizer.json", "training.json"} <= set(files)
    assert ".training" not in files
    record = json.loads((trained / "training.json").read_text())
    assert [row["epoch"] for row in record["epochs"]] == [1, 2, 3]
    assert record["options"]["learning_rate"] == 1e-2
    assert record["corpora"]["train"]["content_hash"] == TRAIN.content_hash


def losses_of(folder: Path) -> list[float]:
    return [row["valid_loss"] for row in json.loads((folder / "training.json").read_text())["epochs"]]


def test_it_learns_more_than_subword_frequencies(tmp_path: Path) -> None:
    options = replace(OPTIONS, hidden_size=32, epochs=15, learning_rate=3e-2, dropout=0.0)
    folder = train_nlm(TRAIN, plain_corpus(), tmp_path / "m", options=options)
    losses = losses_of(folder)
    loaded = load_model(folder, device="cpu")
    assert losses[-1] < np.log(unigram_perplexity(loaded, TRAIN, plain_corpus()).value) - 0.5
    nll, tokens = loaded.sentence_losses(plain_corpus())
    assert nll.sum() / tokens.sum() == pytest.approx(losses[-1], rel=1e-4)


@pytest.mark.parametrize("steps", [2, 4, 8])
def test_a_training_cut_off_ends_at_the_same_weights(trained: Path, tmp_path: Path, steps: int) -> None:
    """24 sentences in batches of 8 are 3 steps an epoch: cut in the first, the second and the last epoch."""
    with pytest.raises(KeyboardInterrupt):
        train_nlm(TRAIN, plain_corpus(), tmp_path / "m", options=OPTIONS, progress=cut_off_after(steps))
    assert not (tmp_path / "m" / "training.json").exists()
    train_nlm(TRAIN, plain_corpus(), tmp_path / "m", options=OPTIONS)
    uninterrupted, resumed = weights(trained), weights(tmp_path / "m")
    assert uninterrupted.keys() == resumed.keys()
    assert all(torch.equal(uninterrupted[name], resumed[name]) for name in uninterrupted)
    assert (trained / "training.json").read_bytes() == (tmp_path / "m" / "training.json").read_bytes()


def test_the_same_seed_gives_the_same_bytes_and_another_does_not(trained: Path, tmp_path: Path) -> None:
    again = train_nlm(TRAIN, plain_corpus(), tmp_path / "again", options=OPTIONS)
    other = train_nlm(TRAIN, plain_corpus(), tmp_path / "other", options=replace(OPTIONS, seed=1))
    first = (trained / "model.safetensors").read_bytes()
    assert (again / "model.safetensors").read_bytes() == first
    assert (other / "model.safetensors").read_bytes() != first


def test_going_on_with_other_options_or_corpora_is_refused(tmp_path: Path) -> None:
    out = tmp_path / "m"
    with pytest.raises(KeyboardInterrupt):
        train_nlm(TRAIN, plain_corpus(), out, options=OPTIONS, progress=cut_off_after(4))
    with pytest.raises(MismatchError, match="other options"):
        train_nlm(TRAIN, plain_corpus(), out, options=replace(OPTIONS, learning_rate=1e-3))
    with pytest.raises(MismatchError, match="other options or corpora"):
        train_nlm(TRAIN.head(10), plain_corpus(), out, options=OPTIONS)
    train_nlm(TRAIN.head(10), plain_corpus(), out, options=OPTIONS, force=True)
    assert json.loads((out / "training.json").read_text())["corpora"]["train"]["n_sentences"] == 10


def test_a_trained_model_is_not_replaced_unasked(trained: Path) -> None:
    before = (trained / "model.safetensors").read_bytes()
    with pytest.raises(OutputExistsError, match=r"trained model.*options.epochs: 3 there, 2 here"):
        train_nlm(TRAIN, plain_corpus(), trained, options=replace(OPTIONS, epochs=2))
    assert (trained / "model.safetensors").read_bytes() == before


def test_a_repeat_of_a_finished_training_changes_nothing(trained: Path, tmp_path: Path) -> None:
    out = shutil.copytree(trained, tmp_path / "m")
    before = {path.name: path.stat().st_mtime_ns for path in out.iterdir()}
    (out / ".training" / "final").mkdir(parents=True)
    (out / ".training" / "run.json").write_text(json.dumps(identity(out)))
    assert train_nlm(TRAIN, plain_corpus(), out, options=OPTIONS) == out
    assert {path.name: path.stat().st_mtime_ns for path in out.iterdir()} == before


@pytest.mark.parametrize("name", ["model.safetensors", "tokenizer.json", "config.json"])
def test_a_damaged_model_is_not_taken_for_trained(trained: Path, tmp_path: Path, name: str) -> None:
    out = shutil.copytree(trained, tmp_path / "m")
    content = bytearray((out / name).read_bytes())
    content[len(content) // 2] ^= 1
    (out / name).write_bytes(content)
    assert is_trained(trained)
    assert not is_trained(out)
    with pytest.raises(RecordError, match=f"{name} is damaged"):
        train_nlm(TRAIN, plain_corpus(), out, options=OPTIONS)
    train_nlm(TRAIN, plain_corpus(), out, options=OPTIONS, force=True)
    assert content_of(out) == content_of(trained)


def test_a_damaged_checkpoint_is_not_resumed(trained: Path, tmp_path: Path) -> None:
    """Cut off in the third epoch; the second checkpoint has a flipped bit, so the first is taken."""
    out = tmp_path / "m"
    with pytest.raises(KeyboardInterrupt):
        train_nlm(TRAIN, plain_corpus(), out, options=OPTIONS, progress=cut_off_after(7))
    damaged = out / ".training" / "checkpoint-6" / "optimizer.pt"
    content = bytearray(damaged.read_bytes())
    content[len(content) // 2] ^= 1
    damaged.write_bytes(content)
    train_nlm(TRAIN, plain_corpus(), out, options=OPTIONS)
    assert content_of(out) == content_of(trained)


def test_a_training_resumes_in_a_folder_that_was_moved(
    stopped: Path, backwards: Corpus, tmp_path: Path
) -> None:
    steps = 3 * len(losses_of(stopped)) - 1
    with pytest.raises(KeyboardInterrupt):
        train_nlm(TRAIN, backwards, tmp_path / "m", options=STOPPING, progress=cut_off_after(steps))
    (tmp_path / "m").rename(tmp_path / "moved")
    train_nlm(TRAIN, backwards, tmp_path / "moved", options=STOPPING)
    assert content_of(tmp_path / "moved") == content_of(stopped)


@pytest.mark.parametrize("point", [pytest.param("1", marks=pytest.mark.slow), "40"])
def test_a_training_killed_at_any_file_operation_ends_at_the_same_bytes(tmp_path: Path, point: str) -> None:
    script = Path(__file__).with_name("killed_training.py")
    assert kill_points(script, tmp_path, point) >= 3
    record = json.loads((tmp_path / "straight" / "m" / "training.json").read_text())
    assert len(record["epochs"]) < record["options"]["epochs"]


@pytest.mark.parametrize(
    "error",
    [
        RuntimeError("[enforce fail at inline_container.cc:672] . unexpected pos 37376 vs 37264"),
        RuntimeError("PytorchStreamWriter failed writing file data/0: file write failed"),
        SafetensorError("Error while serializing: I/O error: No space left on device (os error 28)"),
        OSError(errno.ENOSPC, "No space left on device"),
    ],
)
def test_a_full_disk_is_one_error_and_the_training_resumes(
    trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    """The disk fills up in the second checkpoint, before and after the optimizer's state is written."""
    out, save, saved = tmp_path / "m", torch.save, []

    def full(content: object, path: str, *args: object, **kwargs: object) -> None:
        saved.append(path)
        if len(saved) == 6:
            Path(path).write_bytes(b"half")
            raise error
        save(content, path)

    with monkeypatch.context() as patched:
        patched.setattr(torch, "save", full)
        with pytest.raises(StorageError, match="free some space and run the same command again"):
            train_nlm(TRAIN, plain_corpus(), out, options=OPTIONS)
    train_nlm(TRAIN, plain_corpus(), out, options=OPTIONS)
    assert content_of(out) == content_of(trained)


def test_a_folder_deleted_while_a_training_runs_is_said(tmp_path: Path) -> None:
    out = tmp_path / "m"

    @contextmanager
    def progress(description: str, total: int, unit: str) -> Iterator[Callable[[int], None]]:
        yield lambda done: shutil.rmtree(out) if out.exists() else None

    with pytest.raises(StorageError, match="moved or"):
        train_nlm(TRAIN, plain_corpus(), out, options=OPTIONS, progress=progress)


def test_force_keeps_files_that_training_did_not_write(trained: Path, tmp_path: Path) -> None:
    out = shutil.copytree(trained, tmp_path / "m")
    (out / "thesis.txt").write_text("years of work")
    with pytest.raises(OutputExistsError, match=r"thesis\.txt, which training did not write"):
        train_nlm(TRAIN, plain_corpus(), out, options=OPTIONS, force=True)
    assert {**content_of(trained), "thesis.txt": b"years of work"} == content_of(out)
    other = tmp_path / "other"
    (other / ".training" / "checkpoint-3").mkdir(parents=True)
    (other / ".training" / "checkpoint-3" / "thesis.txt").write_text("years of work")
    (other / "training.json").write_text("{}")
    for force in (False, True):
        with pytest.raises(OutputExistsError, match="not of a training"):
            train_nlm(TRAIN, plain_corpus(), other, options=OPTIONS, force=force)
    assert (other / ".training" / "checkpoint-3" / "thesis.txt").is_file()


def test_two_processes_do_not_train_into_one_folder(tmp_path: Path) -> None:
    out = tmp_path / "m"
    (out / ".training").mkdir(parents=True)
    with (out / ".training" / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(StorageError, match="another process is training"):
            train_nlm(TRAIN, plain_corpus(), out, options=OPTIONS)


def test_a_folder_of_something_else_is_not_replaced_unasked(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(OutputExistsError, match="exists already"):
        train_nlm(TRAIN, plain_corpus(), tmp_path, options=OPTIONS)
    assert (tmp_path / "thesis.txt").read_text() == "years of work"


STOPPING = replace(OPTIONS, epochs=30, patience=2, learning_rate=5e-2, dropout=0.0)


@pytest.fixture(scope="module")
def backwards() -> Corpus:
    """Words in reverse: the better a model knows the order, the worse it predicts them."""
    return Corpus.from_sentences([sentence[::-1] for sentence in plain_corpus().sentences()])


@pytest.fixture(scope="module")
def stopped(backwards: Corpus, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return train_nlm(TRAIN, backwards, tmp_path_factory.mktemp("stopped") / "m", options=STOPPING)


def test_training_stops_early_and_keeps_the_best_epoch(stopped: Path, backwards: Corpus) -> None:
    losses = losses_of(stopped)
    best = int(np.argmin(losses))
    assert len(losses) == best + 1 + STOPPING.patience < 30
    nll, tokens = load_model(stopped, device="cpu").sentence_losses(backwards)
    assert nll.sum() / tokens.sum() == pytest.approx(losses[best], rel=1e-4)


@pytest.mark.parametrize("epochs_left", [1, 0])
def test_patience_survives_a_cut(stopped: Path, backwards: Corpus, tmp_path: Path, epochs_left: int) -> None:
    """Cut off in the last epoch before the early stop, or the one before: it stops after the same epoch."""
    steps = 3 * (len(losses_of(stopped)) - epochs_left) - 1
    with pytest.raises(KeyboardInterrupt):
        train_nlm(TRAIN, backwards, tmp_path / "m", options=STOPPING, progress=cut_off_after(steps))
    train_nlm(TRAIN, backwards, tmp_path / "m", options=STOPPING)
    assert losses_of(tmp_path / "m") == losses_of(stopped)
    assert (tmp_path / "m" / "model.safetensors").read_bytes() == (stopped / "model.safetensors").read_bytes()


def test_nothing_is_printed(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    train_nlm(TRAIN, plain_corpus(), tmp_path / "m", options=replace(OPTIONS, epochs=1))
    load_model(tmp_path / "m", device="cpu")
    captured = capfd.readouterr()
    assert captured.out == ""
    assert captured.err == ""


def test_long_sentences_are_left_out_and_counted(tmp_path: Path) -> None:
    options = replace(OPTIONS, epochs=1, max_length=30)
    folder = train_nlm(TRAIN, plain_corpus(), tmp_path / "m", options=options)
    tokenizer = load_model(folder, device="cpu").tokenizer
    lengths = [len(row) for row in tokenizer(
        [list(sentence) for sentence in TRAIN.sentences()], is_split_into_words=True
    )["input_ids"]]  # fmt: skip
    left_out = sum(length > 30 for length in lengths)
    assert 0 < left_out < len(lengths)
    assert json.loads((folder / "training.json").read_text())["left_out"] == left_out


def test_a_translation_model_learns_a_dictionary(tmp_path: Path) -> None:
    """Two words, each from four nouns, translated in the other order."""
    german = {"cat": "Katze", "dog": "Hund", "bird": "Vogel", "fish": "Fisch"}
    pairs = Corpus.from_sentences([[a, b] for a in german for b in german])
    other = [[german[b], german[a]] for a, b in pairs.sentences()]
    pairs = pairs.with_target(Corpus.from_sentences(other))
    options = replace(
        OPTIONS, hidden_size=128, vocab_size=60, epochs=25, patience=25, batch_size=4, dropout=0.0
    )
    folder = train_nmt(pairs, pairs, tmp_path / "m", options=options)
    translations = load_model(folder, device="cpu").translate(pairs)
    assert sum(a == " ".join(b) for a, b in zip(translations, other, strict=True)) >= 12


def test_a_translation_training_cut_off_ends_at_the_same_weights(tmp_path: Path) -> None:
    uninterrupted = train_nmt(PAIRS, parallel_corpus(), tmp_path / "whole", options=OPTIONS)
    with pytest.raises(KeyboardInterrupt):
        train_nmt(PAIRS, parallel_corpus(), tmp_path / "cut", options=OPTIONS, progress=cut_off_after(5))
    cut = train_nmt(PAIRS, parallel_corpus(), tmp_path / "cut", options=OPTIONS)
    first, second = weights(uninterrupted), weights(cut)
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_progress_counts_every_step(tmp_path: Path) -> None:
    seen: list[tuple[str, int, int]] = []

    @contextmanager
    def progress(description: str, total: int, unit: str) -> Iterator[Callable[[int], None]]:
        done: list[int] = []
        with silent(description, total, unit):
            yield done.append
        seen.append((description, total, sum(done)))

    train_nlm(TRAIN, plain_corpus(), tmp_path / "m", options=replace(OPTIONS, epochs=2), progress=progress)
    assert seen == [("train nlm", 6, 6)]


def test_refusals(tmp_path: Path) -> None:
    with pytest.raises(ParameterError, match="epochs must be at least 1"):
        TrainingOptions(epochs=0)
    with pytest.raises(ParameterError, match="precision"):
        TrainingOptions(precision="float8")  # type: ignore[arg-type]
    with pytest.raises(ParameterError, match="parallel"):
        train_nmt(plain_corpus(), plain_corpus(), tmp_path / "m")
    with pytest.raises(ParameterError, match="no sentence of at most 2"):
        train_nlm(TRAIN, plain_corpus(), tmp_path / "n", options=replace(OPTIONS, max_length=2))
