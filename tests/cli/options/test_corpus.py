"""Test that the verbs read corpora from pipes, describe them, and name the option in errors."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from cli.conftest import Run
from onegrain.cli import console
from onegrain.cli.console import _with_option
from onegrain.cli.options.corpus import corpus_from
from onegrain.errors import CorpusError, ParameterError


@pytest.fixture(autouse=True)
def no_notes() -> None:
    """Forget what a test before has left unwritten."""
    console._NOTES.clear()


def piped(folder: Path, name: str, text: str) -> Path:
    """Return a named pipe that gives a text once."""
    path = folder / name
    os.mkfifo(path)
    threading.Thread(target=path.write_text, args=(text,), daemon=True).start()
    return path


def test_a_pipe_is_read_once(tmp_path: Path) -> None:
    corpus = corpus_from(piped(tmp_path, "text", "the dog sleeps .\nrain !\n"))
    assert (corpus.n_sentences, corpus.n_words) == (2, 6)
    parallel = corpus_from(piped(tmp_path, "source", "a b\n"), target=piped(tmp_path, "target", "c d\n"))
    assert parallel.target is not None
    assert parallel.target.words == ("c", "d")
    labels = piped(tmp_path, "labels", "X Y\n")
    assert corpus_from(piped(tmp_path, "words", "a b\n"), labels=[f"pos={labels}"]).layer("pos").labels() == [
        "X",
        "Y",
    ]
    columns = corpus_from(piped(tmp_path, "columns", "EU B-ORG\nsaid O\n"))
    assert columns.words == ("EU", "said")


def test_what_was_read_is_echoed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "c.txt"
    path.write_text("EU B-ORG\nsaid O\n\n\x1b[31mred O\n")
    corpus_from(path)
    assert capsys.readouterr().err == ""
    console.emit({}, False)
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.splitlines() == [
        f"read as columns: {path}: 2 sentences, 3 words",
        "  column2: 2 labels (B-ORG, O)",
        "  first sentence, 2 words: EU said",
    ]
    path.write_text("\x1b[31mred\n")
    corpus_from(path)
    with console._lines("read", 1, "words"):
        pass
    assert r"\x1b[31mred" in capsys.readouterr().err


def test_a_layer_is_named_once(tmp_path: Path) -> None:
    with pytest.raises(ParameterError, match="--labels names the layer 'pos' twice: a and b"):
        corpus_from(tmp_path / "w", labels=["pos=a", "pos=b"])
    with pytest.raises(CorpusError, match="no such file"):
        corpus_from(tmp_path / "none.txt")


@pytest.mark.parametrize(
    ("message", "arguments", "line"),
    [
        (
            "no label layer 'nope' in t; the layers are: upos, xpos",
            ["rank", "lca", "t.zarr", "--label", "nope"],
            "--label nope: no label layer 'nope' in t; the layers are: upos, xpos",
        ),
        ("w.pos: no such file", ["extract", "--labels=pos=w.pos"], "--labels w.pos: no such file"),
        ("x.zarr: no such store", ["rank", "--dev", "x.zarr"], "--dev x.zarr: no such store"),
        ("--label nope: wrong", ["rank", "--label", "nope"], "--label nope: wrong"),
        ("no layer 'nope'", ["rank", "nope"], "no layer 'nope'"),
        ("the file is empty", ["rank", "--label", "empty"], "the file is empty"),
        ("no 'a' in 'b'", ["rank", "--force", "--label", "c"], "no 'a' in 'b'"),
    ],
)
def test_an_error_names_the_option(message: str, arguments: list[str], line: str) -> None:
    assert _with_option(message, arguments) == line


def test_a_wrong_label_layer_and_a_missing_file_are_named(run: Run, inputs: Path, tmp_path: Path) -> None:
    words = inputs / "words.txt"
    code, _, err = run(
        "extract",
        inputs / "nlm",
        words,
        "--labels",
        f"kind={tmp_path / 'none.pos'}",
        "--out",
        tmp_path / "a.zarr",
    )
    assert code == 1
    assert err.startswith(f"onegrain: --labels {tmp_path / 'none.pos'}: no such file")
    options = ("--labels", f"kind={inputs / 'words.kind'}", "--sites", "layers.1")
    code, _, err = run("extract", inputs / "nlm", words, *options, "--out", tmp_path / "a.zarr")
    assert code == 0, err
    assert f"read as lines: {words}: " in err
    assert "  kind: 3 labels (long, punct, short)" in err
    code, _, err = run(
        "rank", "probeless", tmp_path / "a.zarr", "--label", "nope", "--out", tmp_path / "r.parquet"
    )
    assert code == 1
    assert "--label nope: " in err
    assert "kind" in err
