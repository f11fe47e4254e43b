"""``onegrain analyse clusters``: the clusters of the API, their record, a ranking of one neuron of each."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import onegrain
from onegrain.records.clusters import Clusters
from onegrain.records.ranking import Ranking
from support.commands import Run


@pytest.fixture
def store(run: Run, inputs: Path, tmp_path: Path) -> Path:
    out = tmp_path / "words.zarr"
    text = ("--labels", f"kind={inputs / 'words.kind'}", "--sites", "layers.*")
    code, _, err = run("extract", inputs / "nlm", inputs / "words.txt", *text, "--out", out)
    assert code == 0, err
    return out


def test_clusters_are_listed_kept_and_ranked_once(
    run: Run, inputs: Path, store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "160")
    ranking, short, record = (tmp_path / f"{name}.parquet" for name in ("std", "short", "clusters"))
    code, _, err = run("rank", "std", store, "--out", ranking)
    assert code == 0, err
    options = ("--threshold", 0.5, "--linkage", "complete")
    written = ("--ranking", ranking, "--out", short, "--record", record)
    code, out, err = run("analyse", "clusters", store, *options, *written, "--json")
    assert code == 0, err
    rows = json.loads(out)["rows"]
    grouping = onegrain.clusters(onegrain.open_activations(store), threshold=0.5, linkage="complete")
    assert grouping.sizes.max() > 1
    assert [row["size"] for row in rows] == sorted(grouping.sizes[grouping.sizes > 1].tolist(), reverse=True)
    kept, ranked = Clusters.load(record), Ranking.load(ranking)
    np.testing.assert_array_equal(kept.numbers, grouping.numbers)
    assert kept.provenance == grouping.provenance
    names = [ranked.space.name(int(index)) for index in grouping.representatives(ranked)]
    assert {row["representative"] for row in rows} <= set(names)
    reduced = Ranking.load(short)
    assert reduced.n_ranked == len(grouping)
    assert set(reduced.top(reduced.n_ranked)) == set(names)
    for what in (record, short):
        code, out, err = run("show", what)
        assert code == 0, err
    code, out, err = run("show", record, "--json")
    assert code == 0, err
    facts = json.loads(out)
    assert (facts["record"], facts["clusters"], facts["linkage"]) == ("clusters", len(grouping), "complete")
    assert [row["members"] for row in facts["rows"]] == [row["members"] for row in rows]
    code, out, err = run(
        "ablate", inputs / "nlm", short, inputs / "words.txt", "--metric", "perplexity", "--counts", "0,2",
        "--random-orders", 1, "--limit", 8, "--out", tmp_path / "curve.parquet", "--json",
    )  # fmt: skip
    assert code == 0, err
    assert set(json.loads(out)["top erased"]) == {"0", "2"}


def test_some_neurons_are_clustered_and_the_table_is_readable(
    run: Run, store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "160")
    some = ("--neuron", "layers.1:3", "--neuron", "layers.1:0")
    code, out, err = run("analyse", "clusters", store, *some, "--threshold", 1, "--memory", "8GiB")
    assert code == 0, err
    assert "1 clusters of 2 neurons" in out
    assert "layers.1:0 layers.1:3" in out
    code, out, err = run(
        "analyse", "clusters", store, "--sites", "layers.0", "--signed", "--threshold", 2, "--json"
    )
    assert code == 0, err
    (row,) = json.loads(out)["rows"]
    assert row["members"] == [f"layers.0:{unit}" for unit in range(16)]


def test_what_is_wrong_is_one_line(run: Run, store: Path, tmp_path: Path) -> None:
    taken = tmp_path / "taken.parquet"
    taken.touch()
    for options, message in (
        (("--linkage", "ward"), "the linkages are: average, complete, single"),
        (("--threshold", 1.5), "from 0 to 1, got 1.5"),
        (("--memory", "10MB"), "the correlations of 32 neurons need"),
        (("--out", tmp_path / "o.parquet"), "name the ranking with --ranking"),
        (("--record", taken), "--force"),
        (("--ranking", taken), "is not a Parquet file"),
        (("--neuron", "layers.1"), "write SITE:UNIT"),
    ):
        code, _, err = run("analyse", "clusters", store, *options)
        assert (code, err.count("\n")) == (1, 1), err
        assert message in err
