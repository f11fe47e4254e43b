"""Test that an error is one clear line, and that nothing is lost."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

from onegrain.activations import open_activations
from support.commands import Run, extracted


def test_errors_are_one_line_and_exit_code_1(run: Run, inputs: Path, tmp_path: Path) -> None:
    store = extracted(run, inputs, tmp_path / "words.zarr")
    out = tmp_path / "out.parquet"
    (tmp_path / "empty").mkdir()
    (tmp_path / "bad.conllu").write_text("1\tonly\tthree\n")
    bare = tmp_path / "bare"
    bare.mkdir()
    for file in ("config.json", "model.safetensors"):
        (bare / file).write_bytes((inputs / "nlm" / file).read_bytes())
    cases = {
        ("rank", "lca", store, "--label", "upos", "--out", out): "kind",
        ("rank", "lca", store, "--out", out): "label",
        ("rank", "nonsense", store, "--out", out): "the methods are: lca, neurox, ",
        ("rank", "lca", store, "--label", "kind", "--set", "lambda3=1", "--out", out): "lambda1",
        ("rank", "lca", inputs / "nlm", "--label", "kind", "--out", out): str(inputs / "nlm"),
        ("extract", bare, inputs / "words.txt", "--out", tmp_path / "x.zarr"): "tokenizer",
        ("extract", tmp_path / "empty", inputs / "words.txt", "--out", tmp_path / "x.zarr"): "config.json",
        ("extract", inputs / "nlm", tmp_path / "bad.conllu", "--out", tmp_path / "x.zarr"): "bad.conllu:1",
        ("extract", inputs / "nlm", tmp_path / "none.txt", "--out", tmp_path / "x.zarr"): "none.txt",
        (
            "extract",
            inputs / "nlm",
            inputs / "words.txt",
            "--sites",
            "layers.9",
            "--out",
            tmp_path / "x.zarr",
        ): ("embeddings"),
        ("extract", inputs / "nlm", inputs / "words.txt", "--out", store): "--force",
        ("show", tmp_path / "bad.conllu"): "bad.conllu",
        ("report", tmp_path / "empty"): "ranking",
        ("study", tmp_path / "none.toml", "--out", tmp_path / "study"): "none.toml",
    }
    for arguments, needed in cases.items():
        code, _, err = run(*arguments)
        assert code == 1, arguments
        assert err.count("\n") == 1, (arguments, err)
        assert err.startswith("onegrain: "), arguments
        assert needed in err, (arguments, err)
    assert not out.exists()
    assert not (tmp_path / "x.zarr").exists()


def test_a_ranking_of_another_models_neurons_is_refused(run: Run, inputs: Path, tmp_path: Path) -> None:
    store, order = extracted(run, inputs, tmp_path / "words.zarr"), tmp_path / "order.parquet"
    assert run("rank", "random", store, "--out", order)[0] == 0
    code, _, err = run(
        "ablate", inputs / "nmt", order, inputs / "words.txt", inputs / "target.txt", "--metric", "perplexity",
        "--out", tmp_path / "curve.parquet",
    )  # fmt: skip
    assert code == 1
    assert "nmt" in err
    assert not (tmp_path / "curve.parquet").exists()


def test_wrong_usage_is_exit_code_2(run: Run) -> None:
    assert run("rank")[0] == 2
    assert run("no-such-verb")[0] == 2
    assert run("demo", "--workers", "many")[0] == 2


def test_debug_shows_the_traceback(tmp_path: Path) -> None:
    command = [
        sys.executable,
        "-c",
        "from onegrain.cli import main; main()",
        "show",
        str(tmp_path / "x.parquet"),
    ]
    short = subprocess.run(command, capture_output=True, text=True, check=False)
    long = subprocess.run([*command, "--debug"], capture_output=True, text=True, check=False)
    assert (short.returncode, long.returncode) == (1, 1)
    assert "Traceback" not in short.stderr
    assert "Traceback" in long.stderr


def test_ctrl_c_leaves_a_store_that_resumes(inputs: Path, tmp_path: Path) -> None:
    text = tmp_path / "long.txt"
    text.write_text((inputs / "words.txt").read_text() * 400)
    out = tmp_path / "long.zarr"
    # a shell that runs the tests in the background has its children ignore Ctrl-C; this one heeds it
    heed = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)"
    command = [
        sys.executable, "-c", f"{heed}; from onegrain.cli import main; main()",
        "extract", str(inputs / "nlm"), str(text), "--out", str(out), "--batch-size", "1",
    ]  # fmt: skip
    process = subprocess.Popen(
        command, stderr=subprocess.PIPE, text=True, env={**os.environ, "OMP_NUM_THREADS": "1"}
    )
    while not out.exists() and process.poll() is None:
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert "the same command resumes" in err.splitlines()[-1]
    command[command.index("--batch-size") + 1] = "256"
    assert subprocess.run(command, check=False, capture_output=True).returncode == 0

    store = open_activations(out)
    once = store.values(0, store.n_words // 400)
    np.testing.assert_allclose(store.values()[-len(once) :], once, rtol=1e-4, atol=1e-6)
