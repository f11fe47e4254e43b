"""docs/neurox.md names every public function of the real NeuroX, and everything that it says to call runs."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import onegrain
from onegrain.cli.reference import reference
from support import ROOT, real_neurox
from support.tiny import SENTENCES, tiny_gpt2

PAGE = ROOT / "docs" / "neurox.md"
UNRELEASED = "In NeuroX's repository, not in 1.0.9"
NO_CODE = {
    ".t7", ".pt", ".acts", "random_weights", "decompose_layers", "torch.eig",  # of NeuroX and its kin
    "aggregate=", 'aggregate="last"', "progress",  # arguments
    "lca", "evaluation",  # a method, and a part of its record
}  # fmt: skip
"""Code in the second column of a table that cannot run by itself."""


def table() -> list[tuple[str, str, str]]:
    """(heading, first column, second column) of every row of the tables of functions."""
    part = PAGE.read_text().split("## Each function", 1)[1].split("\n## ", 1)[0]
    rows = []
    for section in part.split("\n### ")[1:]:
        heading, body = section.split("\n", 1)
        for line in body.splitlines():
            cells = [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
            if len(cells) == 2 and cells[0] != "NeuroX" and set(cells[0]) != set("-"):
                rows.append((heading.strip(), *cells))
    return rows


def spans(cell: str) -> list[str]:
    return [span.replace(r"\|", "|") for span in re.findall(r"`([^`]+)`", cell)]


def blocks() -> list[str]:
    return re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)


def test_the_table_lists_every_public_name_of_neurox_and_no_other() -> None:
    public_names = real_neurox.public_names()
    named = []
    for heading, first, _ in table():
        if heading != UNRELEASED:
            modules = heading.split(", ")
            assert spans(first), first
            named += [name if len(modules) > 1 else f"{heading}.{name}" for name in spans(first)]
    assert sorted(named) == sorted(public_names)
    unreleased = {name for heading, first, _ in table() if heading == UNRELEASED for name in spans(first)}
    assert unreleased
    assert not unreleased & {name.rpartition(".")[0] for name in public_names}


@pytest.fixture(scope="module")
def place(tmp_path_factory) -> Path:
    """A folder with the model, the texts and labels, and the file of NeuroX that the page names."""
    folder = tmp_path_factory.mktemp("page")
    tiny_gpt2(folder / "model")
    for name, lines in (("train", SENTENCES), ("test", [*SENTENCES[::-1], SENTENCES[0]])):
        tags = [
            ["NOUN" if len(word) > 4 else "VERB" if word[0] in "spr" else "X" for word in line.split()]
            for line in lines
        ]
        (folder / f"{name}.txt").write_text("".join(f"{line}\n" for line in lines))
        (folder / f"{name}.pos").write_text("".join(" ".join(some) + "\n" for some in tags))
    acts = onegrain.extract(
        folder / "model",
        onegrain.read_corpus(folder / "train.txt"),
        folder / "t.zarr",
        sites=["embeddings", "layers.?"],
    )
    onegrain.export_neurox(acts, folder / "theirs.json")
    return folder


@pytest.fixture(scope="module")
def names(place: Path):
    """What the page's blocks of Python define."""
    pytest.importorskip("h5py", reason="NeuroX's HDF5 needs h5py")
    namespace: dict = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(place)
        for block in blocks():
            exec(compile(block, str(PAGE), "exec"), namespace)
        yield namespace


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_what_to_call_instead_runs(names: dict) -> None:
    assert len(blocks()) == 3
    done = []
    for heading, first, second in table():
        assert spans(second) or "**none**" in second.lower() or heading == UNRELEASED, f"{heading}: {first}"
        for span in dict.fromkeys(spans(second)):
            if span.startswith("onegrain "):
                assert f"## {span}\n" in reference(), span
            elif span not in NO_CODE:
                eval(span, names)
                done.append(span)
    assert len(done) > 60


def test_the_values_on_the_page_are_right(names: dict) -> None:
    import numpy as np

    acts, ranking = names["acts"], names["ranking"]
    sentences = acts.take(words=names["corpus"].offsets[1:] - 1)
    assert sentences.shape == (len(SENTENCES), acts.n_neurons)
    logits = names["held"].values() @ ranking.weights.T + ranking.details["biases"]
    right = np.array(ranking.labels)[logits.argmax(axis=1)] == names["held"].layer("pos").labels()
    assert right.mean() == pytest.approx(ranking.details["evaluation"]["full"]["accuracy"], abs=1e-12)
    assert len(names["clusters"]) == acts.n_neurons
    theirs = real_neurox.load("interpretation.clustering").create_correlation_clusters(acts.values())
    assert names["clusters"].tolist() == theirs.tolist()
