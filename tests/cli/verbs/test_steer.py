"""The verb steer, against the function."""

from __future__ import annotations

import json
from pathlib import Path

import onegrain as og
from cli.conftest import Run
from support.controlled import NUMBER, controlled_nmt

TEXTS = ("the old dog", "rain")
NEURONS = ("--neuron", "layers.1:1", "--neuron", "layers.1:3", "--edit", "clamp(value=40)")
SHORT = ("--max-new-tokens", 5, "--device", "cpu")


def test_json_is_what_the_function_returns(run: Run, inputs: Path, tmp_path: Path) -> None:
    code, out, err = run("steer", inputs / "nlm", *TEXTS, *NEURONS, *SHORT, "--json")
    assert code == 0, err
    edit = og.Intervention.of(["layers.1:1", "layers.1:3"], edit="clamp(value=40)")
    model = og.load_model(inputs / "nlm", device="cpu")
    expected = og.steer(model, edit, list(TEXTS), max_new_tokens=5)
    assert json.loads(out) == {**expected.to_json(), "model": json.loads(out)["model"]}
    og.save_interventions([edit], tmp_path / "edits.json")
    saved = run("steer", inputs / "nlm", *TEXTS, "--interventions", tmp_path / "edits.json", *SHORT, "--json")
    assert saved[:2] == (0, out)
    (tmp_path / "texts.txt").write_text("\n".join(TEXTS) + "\n")
    read = run("steer", inputs / "nlm", "--data", tmp_path / "texts.txt", *NEURONS, *SHORT, "--json")
    assert read[:2] == (0, out)


def test_changed_words_are_between_brackets(run: Run, tmp_path: Path) -> None:
    controlled_nmt(tmp_path / "nmt")
    code, out, err = run(
        "steer", tmp_path / "nmt", "the big dog sleeps", "--neuron", NUMBER, "--edit", "clamp(value=0.76)"
    )
    assert code == 0, err
    assert out.splitlines() == [
        "text    the big dog sleeps",
        "before  chien alors ici et maintenant",
        "after   [-chien-] {+chiens+} alors ici et maintenant",
    ]
    assert f"clamp(value=0.76) of {NUMBER}" in err
    code, out, _ = run(
        "steer", tmp_path / "nmt", "the big dogs sleep", "--neuron", NUMBER, "--edit", "clamp(value=0.76)"
    )
    assert code == 0
    assert out.splitlines()[-1] == "after   unchanged"


def test_the_first_neurons_of_a_ranking_are_set_with_a_reference(
    run: Run, inputs: Path, tmp_path: Path
) -> None:
    store, order = tmp_path / "words.zarr", tmp_path / "order.parquet"
    kinds = f"kind={inputs / 'words.kind'}"
    assert run("extract", inputs / "nlm", inputs / "words.txt", "--labels", kinds, "--out", store)[0] == 0
    assert run("rank", "probeless", store, "--label", "kind", "--out", order)[0] == 0
    first = ("--ranking", order, "--top", 4, "--label", "long")
    code, out, err = run(
        "steer", inputs / "nlm", "rain", *first, "--edit", "mean(label=long)", "--reference", store, "--json"
    )
    assert code == 0, err
    names = og.Ranking.load(order).label("long").top(4)
    assert json.loads(out)["interventions"] == [og.Intervention.of(names, edit="mean(label=long)").to_json()]


def test_values_are_taken_from_a_paired_sentence(run: Run, inputs: Path, tmp_path: Path) -> None:
    pairs = tmp_path / "pairs.txt"
    pairs.write_text("rain\n")
    edit = ("--neuron", "layers.1:1", "--edit", "interchange", "--at-part", "prompt")
    code, out, err = run("steer", inputs / "nlm", "rain", *edit, "--pairs", pairs, "--json")
    assert code == 0, err
    (output,) = json.loads(out)["outputs"]
    assert output["before"] == output["after"]  # the sentence is its own pair
    code, _, err = run("steer", inputs / "nlm", "rain", *edit)
    assert code != 0
    assert "needs pairs" in err


def test_options_that_do_not_fit_are_refused(run: Run, inputs: Path, tmp_path: Path) -> None:
    edits = tmp_path / "edits.json"
    og.save_interventions([og.Intervention.of("layers.1:1")], edits)
    for options, message in (
        ((), "name neurons"),
        (("--neuron", "layers.1:1", "--interventions", edits), "leave out --neuron"),
        (("--interventions", edits, "--edit", "scale(factor=2)"), "leave out --neuron"),
        (("--neuron", "layers.1:1", "--top", 3), "belong together"),
        (("--neuron", "layers.1:1", "--label", "long"), "give --ranking"),
        (("--neuron", "layers.1:1", "--edit", "sponge"), "the edits are: zero"),
        (("--neuron", "layers.1:1", "--at-positions", "a"), "--at-positions takes whole numbers"),
        (("--neuron", "layers.1:1", "--limit", 3), "are of --data"),
        (("--neuron", "layers.1:1", "--reference", inputs / "words.txt"), "not a record of onegrain"),
        (("--neuron", "layers.1:1", "--at-positions", "30", *SHORT), "touched no value"),
    ):
        code, _, err = run("steer", inputs / "nlm", "rain", *options)
        assert (code, message in err) == (1, True), err
    code, _, err = run("steer", inputs / "nlm", "--neuron", "layers.1:1")
    assert (code, "give either texts or --data" in err) == (1, True)
