"""The verb control, against the function."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import onegrain as og
from cli.conftest import Run
from support.controlled import SITE, controlled_corpus, controlled_nmt


@pytest.fixture(scope="module")
def controlled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the model, labelled sentences, and a word list of its translations."""
    folder = tmp_path_factory.mktemp("controlled")
    controlled_nmt(folder / "nmt")
    lines = []
    for plural in (False, True):
        corpus = controlled_corpus(plural)
        labels = iter(corpus.layer("Number").labels())
        for words in corpus.sentences():
            for number, word in enumerate(words, 1):
                feats = next(labels)
                lines.append(
                    f"{number}\t{word}\t_\tX\t_\t{'_' if feats is None else f'Number={feats}'}" + "\t_" * 4
                )
            lines.append("")
    (folder / "words.conllu").write_text("\n".join(lines) + "\n")
    (folder / "french.tsv").write_text("chien\tSing\nchat\tSing\nchiens\tPlur\nchats\tPlur\n")
    return folder


def test_the_verb_writes_what_the_function_returns(run: Run, controlled: Path, tmp_path: Path) -> None:
    store, order, out = (tmp_path / name for name in ("words.zarr", "order.parquet", "control.parquet"))
    data = controlled / "words.conllu"
    assert run("extract", controlled / "nmt", data, "--sites", SITE, "--out", store)[0] == 0
    assert run("rank", "probeless", store, "--label", "Number", "--out", order)[0] == 0
    command = (
        "control", controlled / "nmt", order, "--reference", store, "--property", "Number", "--value", "Sing",
        "--wanted", "Plur", "--data", data, "--lexicon", controlled / "french.tsv", "--k", 2, "--betas", "0,1",
        "--random-sets", 3, "--device", "cpu", "--out", out,
    )  # fmt: skip
    code, printed, err = run(*command, "--json")
    assert code == 0, err
    facts = json.loads(printed)
    record = og.load(out)
    lexicon = {"chien": "Sing", "chat": "Sing", "chiens": "Plur", "chats": "Plur"}
    change = og.ValueChange.with_lexicon(og.read_corpus(data), "Number", "Sing", "Plur", lexicon)
    model = og.load_model(controlled / "nmt", device="cpu")
    expected = og.control(
        model, og.Ranking.load(order), change, og.open_activations(store), k=2, betas=(0, 1), random_sets=3
    )
    assert record.to_pandas().equals(expected.to_pandas())
    assert facts["success"] == expected.summary()["success"] == 1.0
    assert facts["comparison"] == json.loads(json.dumps(expected.comparison().to_dict("records")))
    code, _, err = run(*command)
    assert (code, "nothing is left to do" in err) == (0, True)
    assert np.isnan(record.points["exact"]).all()
    code, printed, _ = run("show", out)
    assert code == 0
    assert "Number: Sing to Plur" in printed


def test_options_that_do_not_fit_are_refused(run: Run, inputs: Path, tmp_path: Path, controlled: Path) -> None:
    store, order = tmp_path / "words.zarr", tmp_path / "order.parquet"
    assert run("extract", inputs / "nmt", inputs / "words.txt", "--out", store)[0] == 0
    assert run("rank", "random", store, "--out", order)[0] == 0
    start = ("control", inputs / "nmt", order, "--reference", store, "--out", tmp_path / "control.parquet")
    for options, message in (
        (("--property", "Person", "--value", "1"), "layer must be one of Tense, Number, Gender"),
        (("--property", "Number", "--value", "Sing", "--wanted", "Sing"), "the other value of Number is Plur"),
        (("--property", "Number", "--value", "Sing", "--languages", "en"), "--languages takes two languages"),
        (("--property", "Number", "--value", "Sing", "--limit", 3), "are for --data"),
        (("--property", "Number", "--value", "Sing", "--betas", "a"), "--betas takes numbers"),
        (("--property", "Number", "--value", "Sing", "--data", inputs / "words.txt"), "--data needs --wanted"),
        (
            ("--property", "Number", "--value", "Sing", "--sentences", 5),
            "no label layer 'Number'",
        ),
    ):
        code, _, err = run(*start, *options)
        assert (code, message in err) == (1, True), err
