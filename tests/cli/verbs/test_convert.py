"""Test the verb convert."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from onegrain.activations import open_activations
from support.commands import Run, extracted


@pytest.mark.parametrize("ending", ["hdf5", "json"])
def test_a_store_becomes_a_file_of_neurox_and_a_store_again(
    run: Run, inputs: Path, tmp_path: Path, ending: str
) -> None:
    pytest.importorskip("h5py", reason="NeuroX's HDF5 needs h5py")
    store = extracted(run, inputs, tmp_path / "words.zarr")
    file, back = tmp_path / f"words.{ending}", tmp_path / "back.zarr"
    code, out, err = run("convert", store, file, "--sites", "layers.*", "--json")
    assert code == 0, err
    words = open_activations(store)
    sites = words.restrict("layers.*").space.sites
    assert json.loads(out) == {"file": str(file), "words": words.n_words, "sites": list(sites)}
    named = [option for site in sites for option in ("--sites", site)]
    code, out, err = run(
        "convert", file, back, *named, "--corpus", inputs / "words.txt",
        "--labels", f"kind={inputs / 'words.kind'}", "--dtype", "float16", "--json",
    )  # fmt: skip
    assert code == 0, err
    reopened = open_activations(back)
    assert json.loads(out) == {"store": str(back), "words": reopened.n_words, "neurons": reopened.n_neurons}
    assert reopened.space.sites == sites
    assert reopened.corpus.words == words.corpus.words
    assert reopened.layer("kind").labels() == words.layer("kind").labels()
    expected = words.restrict("layers.*").values()
    np.testing.assert_allclose(reopened.values(), expected, rtol=2e-3, atol=1e-6)
    for wrong, message in (
        ((store, file), "exists already; use --force"),
        ((store, tmp_path / "a.jsonl"), "ends in .hdf5, .json"),
        ((store, tmp_path / "a.json", "--dtype", "float16"), "leave out --corpus"),
        ((file, tmp_path / "a.zarr", "--lower"), "are about --corpus"),
        ((file, tmp_path / "a.zarr", "--sites", "one"), "sites must name each of them"),
        ((tmp_path / "none.json", tmp_path / "a.zarr"), "does not exist"),
    ):
        code, _, err = run("convert", *wrong)
        assert code == 1
        assert message in err
