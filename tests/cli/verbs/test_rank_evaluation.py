"""Test the parts of the evaluation that ``onegrain rank --evaluate`` names."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import onegrain as og
from support.commands import Run, extracted

FAST = ("--set", "lambda1=0.01", "--set", "lambda2=0.01", "--set", "min_count=2", "--set", "resamples=20")


@pytest.fixture
def store(run: Run, inputs: Path, tmp_path: Path) -> Path:
    return extracted(run, inputs, tmp_path / "words.zarr")


@pytest.mark.parametrize("evaluate", ["masking", "minimal", "retraining,minimal", "none"])
def test_the_record_holds_the_parts_that_are_asked_for(
    run: Run, store: Path, tmp_path: Path, evaluate: str
) -> None:
    ranking, page = tmp_path / "records" / "lca.parquet", tmp_path / "report.html"
    ranking.parent.mkdir()
    asked = ("--label", "kind", "--evaluate", evaluate, *FAST, "--out", ranking)
    code, printed, err = run("rank", "lca", store, *asked, "--json")
    assert code == 0, err
    facts = json.loads(printed)
    details = og.Ranking.load(ranking).details["evaluation"]
    if evaluate == "none":
        assert details is None
        assert "accuracy" not in facts
    else:
        names = {"masking": "masking", "retraining": "retraining", "minimal": "minimal_set"}
        parts = {names[part] for part in evaluate.split(",")}
        assert set(names.values()) & set(details) == parts
        assert facts["accuracy"] == details["full"]["accuracy"]
    code, printed, err = run("show", ranking, "--json")
    assert code == 0, err
    assert ("accuracy" in json.loads(printed)) == (evaluate != "none")
    code, _, err = run("report", ranking.parent, "--out", page)
    assert code == 0, err
    assert ("minimal set" in page.read_text()) == ("minimal" in evaluate)


def test_parts_that_do_not_exist_are_refused(run: Run, store: Path, tmp_path: Path) -> None:
    asked = ("rank", "lca", store, "--label", "kind", "--out", tmp_path / "r.parquet")
    code, _, err = run(*asked, "--evaluate", "guessing")
    assert code == 1
    assert "evaluate must be some of masking, retraining, minimal, or none; got 'guessing'" in err
    code, _, err = run(*asked, "--evaluate", "none", "--set", "evaluate=true")
    assert code == 1
    assert "give one of them" in err
    code, _, err = run("rank", "std", store, "--out", tmp_path / "r.parquet", "--evaluate", "none")
    assert code == 1
    assert "std has no evaluation in its record" in err


def test_of_several_methods_those_that_evaluate_take_it(run: Run, store: Path, tmp_path: Path) -> None:
    parameters = [f"lca.{text}" if text != "--set" else text for text in FAST]
    asked = ("--label", "kind", "--evaluate", "masking", *parameters, "--out", tmp_path / "both")
    code, _, err = run("rank", "lca,f-statistic", store, *asked)
    assert code == 0, err
    details = og.Ranking.load(tmp_path / "both" / "lca.parquet").details["evaluation"]
    assert "masking" in details
    assert "minimal_set" not in details
