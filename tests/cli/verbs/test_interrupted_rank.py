"""Ctrl-C while ``onegrain rank lca`` evaluates: the ranking is kept, and the same command completes it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from onegrain.activations.store.writer import StoreContent, write_store
from onegrain.records.ranking import Ranking
from support.planted import plant

EVALUATING = """
import signal, sys, time
from pathlib import Path
signal.signal(signal.SIGINT, signal.default_int_handler)
from onegrain.cli import main
from onegrain.rankings.lca.evaluation import OrderingEvaluation
flag = Path(sys.argv.pop())
def run(self, probe):
    flag.touch()
    time.sleep(600)
OrderingEvaluation.run = run
main()
"""


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path, activations = tmp_path_factory.mktemp("store") / "planted.zarr", plant(80).activations
    content = StoreContent(activations.corpus, activations.space, activations.provenance, "float32")
    write_store(path, content, [activations.values()], force=False)
    return path


@pytest.mark.parametrize("methods", ["lca", "probeless,lca"])
def test_ctrl_c_during_the_evaluation_keeps_the_ranking(store: Path, tmp_path: Path, methods: str) -> None:
    several = "," in methods
    out, flag = tmp_path / ("r" if several else "lca.parquet"), tmp_path / "evaluating"
    path = out / "lca.parquet" if several else out
    prefix = "lca." if several else ""
    command = ["rank", methods, str(store), "--label", "upos", "--out", str(out)]
    command += ["--set", f"{prefix}lambda1=[0.001,0.01]", "--set", f"{prefix}lambda2=0.001"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    process = subprocess.Popen(
        [sys.executable, "-c", EVALUATING, *command, str(flag)],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment,
    )  # fmt: skip
    while not flag.exists() and process.poll() is None:
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    output, errors = process.communicate(timeout=120)
    assert process.returncode == 130, errors
    assert output == ""
    line = errors.splitlines()[-1]
    assert line.startswith(f"onegrain: interrupted; {path} holds the ranking without its evaluation")
    kept = Ranking.load(path)
    assert kept.details["evaluation"] is None
    chosen = [f"{prefix}{name}={kept.details[name]:g}" for name in ("lambda1", "lambda2")]
    pair = " ".join(f"--set {setting}" for setting in chosen)
    assert f"--force {pair}" in line
    again = [sys.executable, "-c", "from onegrain.cli import main; main()", *command]
    for remark in ("", "exists already"):
        done = subprocess.run(again, capture_output=True, text=True, env=environment, check=False)
        assert done.returncode == 0, done.stderr
        assert remark in done.stderr
    complete = Ranking.load(path)
    np.testing.assert_array_equal(complete.order, kept.order)
    assert complete.details["evaluation"]["full"]["accuracy"] > 0.0
