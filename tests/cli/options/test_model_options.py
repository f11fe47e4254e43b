"""Test the options by which models are loaded and words are read."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from onegrain.activations import open_activations
from support.commands import Run
from support.saelens import config_v6, random_weights, save_dictionary
from support.tiny import tiny_gpt2


def test_words_are_read_as_the_options_say(run: Run, inputs: Path, tmp_path: Path) -> None:
    text = tmp_path / "long.txt"
    text.write_text("the old dog sleeps .\n" + "dog " * 70 + "\n")
    tiny_gpt2(tmp_path / "gpt2")
    options = ("extract", tmp_path / "gpt2", text, "--sites", "layers.1")
    code, _, err = run(*options, "--out", tmp_path / "a.zarr")
    assert code == 1
    assert "long=window or long=truncate (--long)" in err
    facts = {}
    for long in ("window", "truncate"):
        code, out, _ = run(*options, "--out", tmp_path / f"{long}.zarr", "--long", long, "--json")
        assert code == 0
        facts[long] = json.loads(out)
    assert facts["window"]["without activation"] == 0 < facts["truncate"]["without activation"]
    code, out, _ = run(
        *options, "--out", tmp_path / "special.zarr", "--long", "window", "--special-tokens", "--json"
    )
    assert json.loads(out)["words"] == facts["window"]["words"] + 4
    code, _, err = run(*options, "--out", tmp_path / "b.zarr", "--long", "window", "--bos")
    assert code == 1
    assert "has no start token, or adds it itself; leave bos out" in err


def test_a_model_is_loaded_as_the_options_say(run: Run, inputs: Path, tmp_path: Path) -> None:
    tiny_gpt2(tmp_path / "gpt2")
    options = ("extract", tmp_path / "gpt2", inputs / "words.txt", "--sites", "layers.1", "--limit", 5)
    run(*options, "--out", tmp_path / "a.zarr", "--device", "cpu")
    parts = ("transformer.wte", "transformer.wpe", "transformer.h.1", "transformer.ln_f", "lm_head")
    spread = json.dumps({**dict.fromkeys(parts, "cpu"), "transformer.h.0": "disk"})
    code, _, err = run(
        *options, "--out", tmp_path / "b.zarr", "--device-map", spread, "--offload-folder", tmp_path / "offload"
    )
    assert code == 0, err
    plain, offloaded = (open_activations(tmp_path / f"{name}.zarr") for name in "ab")
    np.testing.assert_array_equal(plain.values(), offloaded.values())
    assert plain.provenance == offloaded.provenance
    code, _, err = run(*options, "--out", tmp_path / "c.zarr", "--model-dtype", "bfloat16")
    assert code == 0, err
    half = open_activations(tmp_path / "c.zarr")
    assert half.provenance.model != plain.provenance.model
    np.testing.assert_allclose(half.values(), plain.values(), atol=0.1 * float(np.abs(plain.values()).max()))
    code, _, err = run(*options, "--out", tmp_path / "d.zarr", "--device-map", "{")
    assert code == 1
    assert "--device-map is not JSON" in err


def test_latents_of_a_dictionary_are_extracted_ranked_and_erased(
    run: Run, inputs: Path, tmp_path: Path
) -> None:
    tiny_gpt2(tmp_path / "gpt2")
    folder = save_dictionary(tmp_path / "sae", config_v6(), random_weights())
    dictionary = ("--dictionary", f"layers.0={folder}")
    store, ranking = tmp_path / "a.zarr", tmp_path / "r.parquet"
    code, _, err = run(
        *("extract", tmp_path / "gpt2", inputs / "words.txt", "--labels", f"kind={inputs / 'words.kind'}"),
        *("--sites", "layers.0.latents", "--out", store, *dictionary),
    )
    assert code == 0, err
    opened = open_activations(store)
    assert opened.space.describe() == "layers.0.latents (40)"
    assert (opened.values() == 0).any()
    assert list(opened.provenance.parameters["dictionaries"]) == ["layers.0.latents"]
    code, _, err = run("rank", "lca", store, "--label", "kind", "--out", ranking, "--set", "evaluate=false")
    assert code == 0, err
    curve = ("--metric", "perplexity", "--steps", 2, "--random-orders", 1, "--limit", 8, "--json")
    ablate = ("ablate", tmp_path / "gpt2", ranking, inputs / "words.txt", "--out", tmp_path / "c.parquet")
    code, _, err = run(*ablate, *curve)
    assert code == 1
    assert "does not have these neurons" in err
    code, out, err = run(*ablate, *curve, *dictionary)
    assert code == 0, err
    assert len(set(json.loads(out)["top erased"].values())) > 1
