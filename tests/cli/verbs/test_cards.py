"""``onegrain cards``, what ``onegrain show`` prints of them, and ``onegrain neuronpedia``."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import onegrain
from onegrain.records.cards import NeuronCards
from support.commands import Run
from support.tiny import tiny_nlm


@pytest.fixture
def store(run: Run, inputs: Path, tmp_path: Path) -> Path:
    out = tmp_path / "words.zarr"
    text = ("--labels", f"kind={inputs / 'words.kind'}", "--sites", "layers.*")
    code, _, err = run("extract", inputs / "nlm", inputs / "words.txt", *text, "--out", out)
    assert code == 0, err
    return out


@pytest.fixture
def rankings(run: Run, store: Path, tmp_path: Path) -> tuple[Path, Path]:
    paths = tmp_path / "std.parquet", tmp_path / "kind.parquet"
    assert run("rank", "std", store, "--out", paths[0])[0] == 0
    assert run("rank", "f-statistic", store, "--label", "kind", "--out", paths[1])[0] == 0
    return paths


def test_cards_are_those_of_the_api_and_are_shown(
    run: Run, inputs: Path, store: Path, rankings: tuple[Path, Path], tmp_path: Path
) -> None:
    std, kind = rankings
    out = tmp_path / "cards.json"
    named = ("--neurons", "layers.1:3", "--neurons", "layers.0:0")
    options = ("--ranking", std, "--ranking", f"by kind={kind}", "--top", 2, "--n", 3, "--min-count", 2)
    code, printed, err = run("cards", store, *named, *options, "--out", out, "--json")
    assert code == 0, err
    loaded = {"std": onegrain.Ranking.load(std), "by kind": onegrain.Ranking.load(kind)}
    chosen = list(dict.fromkeys(["layers.1:3", "layers.0:0", *loaded["std"].top(2)]))
    assert json.loads(printed) == {"cards": str(out), "neurons": chosen}
    cards = NeuronCards.load(out)
    assert cards == onegrain.neuron_cards(
        onegrain.open_activations(store), chosen, rankings=loaded, n=3, min_count=2
    )
    code, _, err = run("cards", store, *named, "--out", out)
    assert (code, "--force" in err) == (1, True)
    code, printed, err = run("show", out)
    assert code == 0, err
    first = cards.cards[0]
    assert cards.model is not None
    for text in (
        "neuron cards",
        cards.model.weight_hash,
        "std (std), by kind (f-statistic, kind)",
        f"layers.1:3\n  mean {first.statistics.mean:.4g}, ",
        f"  std: rank {first.rankings['std'].rank} of 32, score ",
        f"  up: {first.high.words[0].word} ({first.high.words[0].deviation:+.1f})",
        f"[{first.low.contexts[0].word}]",
    ):
        assert text in printed
    assert printed.count("  down: ") == len(chosen)
    code, printed, err = run("show", out, "--rows", 1)
    assert printed.endswith(f"... {len(chosen) - 1} cards more\n")
    code, printed, err = run("show", out, "--json")
    facts = json.loads(printed)
    assert [f"{card['site']}:{card['unit']}" for card in facts["cards"]] == chosen


def test_cards_are_held_against_a_store_or_a_model(run: Run, inputs: Path, store: Path, tmp_path: Path) -> None:
    out, other = tmp_path / "cards.json", tmp_path / "other.zarr"
    assert run("cards", store, "--neurons", "layers.1:3", "--out", out)[0] == 0
    tiny_nlm(tmp_path / "other", seed=1)
    assert run("extract", tmp_path / "other", inputs / "words.txt", "--out", other, "--limit", 3)[0] == 0
    for same in (store, inputs / "nlm"):
        code, printed, err = run("show", out, "--against", same)
        assert code == 0, err
        assert f"{same}" in printed
    for wrong in (other, tmp_path / "other"):
        code, _, err = run("show", out, "--against", wrong)
        assert (code, err.count("\n")) == (1, 1)
        assert "neurons of different models do not belong together" in err
        assert str(tmp_path / "other") in err
    code, _, err = run("show", store, "--against", store)
    assert (code, "--against checks neuron cards" in err) == (1, True)


def test_neuronpedias_files_are_written(run: Run, store: Path, tmp_path: Path) -> None:
    cards, out = tmp_path / "cards.json", tmp_path / "exports"
    neurons = ("--neurons", "layers.1:3", "--neurons", "layers.0:7")
    assert run("cards", store, *neurons, "--out", cards)[0] == 0
    names = (
        *("--model-id", "tiny", "--source-set", "mine", "--release", "first", "--title", "A title"),
        *("--creator", "Me", "--creator-id", "c1"),
    )
    code, printed, err = run("neuronpedia", cards, store, "--out", out, *names, "--json")
    assert code == 0, err
    sources = [out / "tiny" / f"{layer}-mine" for layer in (0, 1)]
    assert json.loads(printed) == {"neurons": 2, "sources": list(map(str, sources))}
    for source in sources:
        (row,) = (source / "source.jsonl").read_text().splitlines()
        assert json.loads(row)["visibility"] == "PUBLIC"
        assert (source / "activations" / "batch-0.jsonl.gz").is_file()
    for extra, message in (
        ((), "--force"),
        (("--force", "--visibility", "open"), "they are: PUBLIC, UNLISTED, PRIVATE"),
    ):
        code, _, err = run("neuronpedia", cards, store, "--out", out, *names, *extra)
        assert (code, err.count("\n")) == (1, 1)
        assert message in err
    assert run("neuronpedia", cards, store, "--out", out)[0] == 2


def test_what_is_wrong_is_one_line(run: Run, store: Path, rankings: tuple[Path, Path], tmp_path: Path) -> None:
    out, bad = tmp_path / "cards.json", tmp_path / "bad.json"
    assert run("cards", store, "--neurons", "layers.1:3", "--out", out)[0] == 0
    bad.write_text(out.read_text().replace('"unit": 3', '"unit": "3"'))
    new = ("--out", tmp_path / "new.json")
    for arguments, message in (
        (("cards", store, *new), "--ranking FILE --top K"),
        (("cards", store, "--top", 3, *new), "name it with --ranking"),
        (("cards", store, "--ranking", rankings[0], "--top", 33, *new), "k must be from 1 to 32"),
        (("cards", store, "--ranking", rankings[0], "--ranking", rankings[0], "--top", 1, *new), "NAME=FILE"),
        (("cards", store, "--ranking", tmp_path / "none.parquet", "--top", 1, *new), "does not exist"),
        (("cards", store, "--neurons", "layers.1:16", *new), "units 0..15"),
        (("show", bad), "bad.json: cards.0.unit: Input should be a valid integer"),
        (("show", tmp_path / "none.json"), "none.json does not exist"),
        (("show", out, "--verify"), "--verify checks stores"),
    ):
        code, _, err = run(*arguments)
        assert (code, err.count("\n")) == (1, 1), err
        assert message in err
    assert not (tmp_path / "new.json").exists()
