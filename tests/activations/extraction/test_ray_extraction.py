"""Test that extraction in Ray workers writes the same bytes as the local engine."""

from __future__ import annotations

import json
import os
import shutil
import signal
import sys
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch

from activations.store.test_resume import StopWorkError, content, stop_after
from onegrain.activations import extract
from onegrain.cli import main
from onegrain.engines import engine_named
from onegrain.errors import EngineError, ModelError
from onegrain.models import load_model
from support.tiny import SENTENCES, parallel_corpus, plain_corpus
from support.zoo import zoo_corpus

pytest.importorskip("ray", reason="Ray is not installed: pip install 'onegrain[ray]'")
pytestmark = pytest.mark.usefixtures("two_cpus_of_ray")


@pytest.fixture
def small_shards(monkeypatch: pytest.MonkeyPatch) -> None:
    """Use four shards that are read one by one; only this process knows their size."""
    monkeypatch.setattr("onegrain.activations.store.layout.MOST_ROWS", 20)
    monkeypatch.setattr("onegrain.activations.extraction.extract.READ_BYTES", 1)


@dataclass(frozen=True)
class Watched:
    """A ray engine whose workers record in a folder what they read, and die once after some of it.

    Attributes:
        folder: has a file ``FIRST-PROCESS-THREADS`` for each group of words.
        workers: number of workers.
        deadly: the first words of the groups that end their worker.
    """

    folder: Path
    workers: int = 2
    deadly: tuple[int, ...] = ()

    def stream(
        self, start: Callable[[], Any], items: Sequence[Any], advance: Callable[[int], None]
    ) -> Generator[Any, None, None]:
        folder, deadly = self.folder, self.deadly
        folder.mkdir()

        def watched() -> Any:
            work = start()

            def read(words: tuple[int, int], advance: Callable[[int], None]) -> Any:
                block = work(words, advance)
                first = f"{words[0]}-"
                again = any(path.name.startswith(first) for path in folder.iterdir())
                (folder / f"{first}{os.getpid()}-{torch.get_num_threads()}").touch()
                if words[0] in deadly and not again:
                    os.kill(os.getpid(), signal.SIGKILL)
                return block

            return read

        return engine_named("ray", workers=self.workers).stream(watched, items, advance)

    def noted(self) -> list[tuple[int, int, int]]:
        return sorted(tuple(int(part) for part in path.name.split("-")) for path in self.folder.iterdir())  # type: ignore[misc]


@pytest.mark.usefixtures("small_shards")
def test_the_store_of_a_language_model_has_the_same_bytes(
    models: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The model's path is relative to this process's folder, which differs from that of the workers."""
    monkeypatch.chdir(Path(models["nlm"].identity.id).parent)
    reported: list[int] = []

    @contextmanager
    def progress(description: str, total: int, unit: str) -> Iterator[Any]:
        yield reported.append

    engine = Watched(tmp_path / "notes", workers=1)
    extract("nlm", plain_corpus(), tmp_path / "local.zarr")
    extract("nlm", plain_corpus(), tmp_path / "ray.zarr", engine=engine, progress=progress)
    assert content(tmp_path / "ray.zarr") == content(tmp_path / "local.zarr")
    assert reported == [0, 20, 20, 20, 18]
    notes = engine.noted()
    assert [first for first, _, _ in notes] == [0, 20, 40, 60]
    assert os.getpid() not in {process for _, process, _ in notes}
    assert {threads for _, _, threads in notes} == {torch.get_num_threads()}


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("qwen2", {}),
        pytest.param(
            "marian",
            {"side": "target", "dtype": "float16", "special_tokens": True},
            marks=pytest.mark.slow,
        ),
    ],
)
@pytest.mark.usefixtures("small_shards")
def test_the_store_has_the_same_bytes_when_a_worker_is_killed(
    zoo: Any, tmp_path: Path, name: str, options: dict[str, Any]
) -> None:
    engine = Watched(tmp_path / "notes", deadly=(20,))
    extract(zoo[name], zoo_corpus(), tmp_path / "local.zarr", batch_size=3, **options)
    extract(zoo[name], zoo_corpus(), tmp_path / "ray.zarr", batch_size=3, engine=engine, **options)
    assert content(tmp_path / "ray.zarr") == content(tmp_path / "local.zarr")
    notes = engine.noted()
    assert len([first for first, _, _ in notes if first == 20]) == 2, (
        "the worker died, and its words were read again"
    )


@pytest.mark.parametrize(("first", "second"), [("local", "ray"), ("ray", "local")])
@pytest.mark.usefixtures("small_shards")
def test_what_one_engine_began_the_other_ends(models: Any, tmp_path: Path, first: str, second: str) -> None:
    extract(models["nlm"], plain_corpus(), tmp_path / "whole.zarr")
    with pytest.raises(StopWorkError):
        extract(models["nlm"], plain_corpus(), tmp_path / "cut.zarr", engine=first, progress=stop_after(3))
    assert (tmp_path / "cut.zarr/journal.json").exists()
    extract(models["nlm"], plain_corpus(), tmp_path / "cut.zarr", engine=second)
    assert content(tmp_path / "cut.zarr") == content(tmp_path / "whole.zarr")


@pytest.mark.usefixtures("small_shards")
def test_workers_that_cannot_load_the_model_leave_the_store_as_it_is(models: Any, tmp_path: Path) -> None:
    shutil.copytree(models["nlm"].identity.id, tmp_path / "nlm")
    loaded, out = load_model(tmp_path / "nlm", name="same", device="cpu"), tmp_path / "cut.zarr"
    with pytest.raises(StopWorkError):
        extract(loaded, plain_corpus(), out, progress=stop_after(3))
    before = content(out)
    (tmp_path / "nlm").rename(tmp_path / "away")
    with pytest.raises(EngineError, match=r"a worker cannot load the model: .*nlm is not a model folder"):
        extract(loaded, plain_corpus(), out, engine="ray")
    assert content(out) == before
    extract(loaded, plain_corpus(), out)
    extract(loaded, plain_corpus(), tmp_path / "whole.zarr")
    assert content(out) == content(tmp_path / "whole.zarr")


@pytest.mark.slow
def test_workers_with_another_model_are_refused(models: Any, tmp_path: Path) -> None:
    shutil.copytree(models["nlm"].identity.id, tmp_path / "nlm")
    loaded, out = load_model(tmp_path / "nlm", name="same", device="cpu"), tmp_path / "a.zarr"
    shutil.rmtree(tmp_path / "nlm")
    shutil.copytree(models["gpt2"].identity.id, tmp_path / "nlm")
    with pytest.raises(
        EngineError, match=r"the weights that a worker finds at .* differ from those of your model"
    ):
        extract(loaded, plain_corpus(), out, engine="ray")


def test_an_error_of_the_model_in_a_worker_is_raised_unchanged(models: Any, tmp_path: Path) -> None:
    loaded = load_model(models["nlm"].identity.id, name="loud", device="cpu")
    with torch.no_grad():
        loaded.model.get_input_embeddings().weight[:] = float("inf")
    loaded.model.save_pretrained(tmp_path / "loud")
    loaded.tokenizer.save_pretrained(tmp_path / "loud")
    with pytest.raises(ModelError, match=r"loud gives .* for word"):
        extract(str(tmp_path / "loud"), parallel_corpus(), tmp_path / "a.zarr", engine="ray")
    assert not (tmp_path / "a.zarr").exists()


def test_the_command_line(models: Any, tmp_path: Path, monkeypatch: Any, capfd: Any) -> None:
    (tmp_path / "words.txt").write_text("".join(line + "\n" for line in SENTENCES))
    for engine in (["local"], ["ray", "--workers", "2"]):
        out = tmp_path / f"{engine[0]}.zarr"
        arguments = ["extract", models["nlm"].identity.id, tmp_path / "words.txt", "--out", out, "--json"]
        monkeypatch.setattr(sys, "argv", ["onegrain", *map(str, arguments), "--engine", *engine])
        with pytest.raises(SystemExit) as stop:
            main()
        assert not stop.value.code
        assert json.loads(capfd.readouterr().out)["words"] == plain_corpus().n_words
    assert content(tmp_path / "ray.zarr") == content(tmp_path / "local.zarr")
