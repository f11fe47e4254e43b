"""A study measures several kinds of edit in one record, and its report shows them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import onegrain as og
from onegrain.core.progress import silent
from onegrain.errors import ParameterError
from onegrain.interventions import sweep
from onegrain.studies import read_study
from onegrain.studies.run import walk_study
from support.studies import write_study
from support.tiny import plain_corpus, tiny_nlm

STUDY = """
title = "Edits of a language model"
seed = 2
[corpora]
text = { path = "text.txt", format = "lines" }
few = { path = "text.txt", format = "lines", limit = 3 }
[models.nlm]
path = "nlm"
[rankings.a]
models = ["nlm"]
method = "random"
corpus = "text"
[rankings.b]
models = ["nlm"]
method = "std"
corpus = "text"
[sweeps.edits]
models = ["nlm"]
rankings = ["a", "b"]
metrics = { perplexity = {} }
edits = ["zero", "mean"]
corpus = "few"
reference = "text"
parameters = { counts = [5], random_orders = 2 }
"""


@pytest.fixture
def study(tmp_path: Path) -> Path:
    lines = [" ".join(words) + "\n" for words in plain_corpus().sentences()]
    (tmp_path / "text.txt").write_text("".join(lines))
    return write_study(tmp_path, STUDY)


def test_a_study_makes_a_sweep_and_shows_it(study: Path) -> None:
    tiny_nlm(study.parent / "nlm")
    run = walk_study(study, study.parent / "out", workers=1, progress=silent)
    out = run.report.parent
    record = og.load(out / "sweeps" / "edits--nlm.parquet")
    expected = sweep(
        study.parent / "nlm",
        {name: og.load(out / "rankings" / f"{name}--nlm.parquet") for name in "ab"},
        og.Perplexity(og.read_corpus(study.parent / "text.txt", format="lines").head(3)),
        ["zero", "mean"],
        reference=og.open_activations(out / "activations" / "nlm--text.zarr"),
        counts=[5],
        random_orders=2,
        seed=2,
    )
    np.testing.assert_allclose(record.points["value"], expected.points["value"], rtol=1e-5)
    assert record.rankings == ("a", "b")
    assert "Does it depend on the kind of edit?" in run.report.read_text()
    assert walk_study(study, out, workers=1, progress=silent).made == 0


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (('["zero", "mean"]', '["sponge"]'), "no edit 'sponge'"),
        (('reference = "text"\n', ""), "the edit mean needs a reference"),
        (("{ perplexity = {} }", "{ ter = {} }"), "no metric 'ter'"),
        (('rankings = ["a", "b"]', 'rankings = ["c"]'), "no rankings entry 'c'"),
    ],
)
def test_what_a_sweep_cannot_do_is_named(study: Path, change: tuple[str, str], message: str) -> None:
    study.write_text(STUDY.replace(*change))
    with pytest.raises(ParameterError, match=r"sweeps\.edits") as error:
        read_study(study)
    assert message in str(error.value)
