"""The command line: the same verbs as the API, one clear line for an error, nothing lost."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import onegrain as og
from onegrain.activations import open_activations
from onegrain.cli.reference import reference
from support import ROOT
from support.saelens import config_v6, random_weights, save_dictionary
from support.tiny import tiny_gpt2, tiny_nlm

Run = Callable[..., tuple[int, str, str]]


def extracted(run: Run, inputs: Path, out: Path, model: Path | None = None) -> Path:
    code, _, err = run(
        "extract",
        model or inputs / "nlm",
        inputs / "words.txt",
        "--labels",
        f"kind={inputs / 'words.kind'}",
        "--out",
        out,
    )
    assert code == 0, err
    return out


RANK = ("--set", "lambda1=[0,0.001]", "--set", "lambda2=[0.001]", "--set", "min_count=2", "--label", "kind")


def test_all_stages_by_hand(run: Run, inputs: Path, tmp_path: Path) -> None:
    store = extracted(run, inputs, tmp_path / "words.zarr")
    ranking, curve = tmp_path / "kind.parquet", tmp_path / "curve.parquet"
    code, out, err = run("rank", "lca", store, "--out", ranking, *RANK, "--json")
    assert code == 0, err
    facts = json.loads(out)
    assert facts["accuracy"] > facts["majority"]
    code, out, err = run(
        "ablate", inputs / "nlm", ranking, inputs / "words.txt", "--metric", "perplexity", "--out", curve,
        "--steps", 3, "--random-orders", 2, "--limit", 8, "--json",
    )  # fmt: skip
    assert code == 0, err
    assert set(json.loads(out)) == {
        "curve", "metric", "intact", "top erased", "bottom erased", "random erased", "points",
    }  # fmt: skip
    for record, word in (
        (store, "activations"),
        (ranking, "ranking"),
        (curve, "curve"),
        (inputs / "nlm", "model"),
    ):
        code, out, err = run("show", record, "--json")
        assert (code, json.loads(out)["record"]) == (0, word), err
        code, out, err = run("show", record)
        assert code == 0
        assert word in out
    for question in (
        ("localisation", ranking),
        ("sharing", ranking),
        ("layers", ranking),
        ("importance", curve),
    ):
        code, out, err = run("analyse", *question, "--json")
        assert code == 0, err
        assert json.loads(out)["rows"]
    code, out, err = run("analyse", "words", store, "layers.1:0", "--json")
    assert code == 0, err
    assert {row["neuron"] for row in json.loads(out)["rows"]} == {"layers.1:0"}
    code, out, err = run("report", tmp_path, "--json")
    assert code == 0, err
    page = Path(json.loads(out)["report"]).read_text()
    assert "layers.1" in page
    assert list((tmp_path / "charts").glob("*.png"))


@pytest.mark.parametrize(
    ("method", "figure", "parameters"),
    [
        ("gaussian", "accuracy", ("--set", "k=2", "--set", "min_count=2")),
        ("sparse-probing", "mean_f1", ("--set", "k=2", "--set", "min_count=2")),
        ("neurox", "accuracy", ("--set", "epochs=1")),
        ("lca", "accuracy", RANK[:-2]),
    ],
)
def test_rank_and_show_warn_of_what_flatters_a_probe(
    run: Run, inputs: Path, tmp_path: Path, method: str, figure: str, parameters: tuple[str, ...]
) -> None:
    store = extracted(run, inputs, tmp_path / "words.zarr")
    for name in ("words.txt", "words.kind"):
        (tmp_path / name).write_text("".join((inputs / name).read_text().splitlines(keepends=True)[:9]))
    held, ranking = extracted(run, tmp_path, tmp_path / "held.zarr", inputs / "nlm"), tmp_path / "r.parquet"
    options = ("--sites", "layers.1", "--label", "kind", *parameters)
    code, out, err = run("rank", method, store, "--test", held, "--out", ranking, *options, "--json")
    assert code == 0, err
    said = json.loads(out)
    assert 0.0 < said[figure] <= 1.0
    assert said["caution"].startswith("Beware: 100 % of the tested sentences are also training sentences")
    code, out, err = run("show", ranking, "--json")
    assert code == 0, err
    assert json.loads(out)["caution"] == said["caution"]


def test_stability_from_the_command_line(run: Run, inputs: Path, tmp_path: Path) -> None:
    store, ranking = extracted(run, inputs, tmp_path / "words.zarr"), tmp_path / "kind.parquet"
    record = tmp_path / "stability.parquet"
    code, _, err = run("rank", "lca", store, "--sites", "layers.1", "--out", ranking, *RANK)
    assert code == 0, err
    command = ("analyse", "stability", ranking, store, "--out", record, "--resamples", 2, "--k", 3, "--k", 8)
    code, out, err = run(*command, "--json")
    assert code == 0, err
    rows = json.loads(out)["rows"]
    assert [(row["draws"], row["k"]) for row in rows] == [
        ("bootstrap", 3), ("bootstrap", 8), ("halves", 3), ("halves", 8), ("seeds", 3), ("seeds", 8),
    ]  # fmt: skip
    code, _, err = run(*command)
    assert (code, "--force" in err) == (1, True)
    code, out, err = run("show", record, "--json")
    assert code == 0, err
    facts = json.loads(out)
    assert facts["record"] == "stability"
    assert facts["halves"][0]["phi"] == rows[2]["phi"]
    for extra in ((), ("--label", "long", "--rows", 3)):
        code, out, err = run("show", record, *extra)
        assert code == 0, err
        assert "layers.1" in out
    code, out, err = run("report", tmp_path, "--json")
    assert code == 0, err
    assert "Would other sentences give the same order?" in Path(json.loads(out)["report"]).read_text()
    assert list((tmp_path / "charts").glob("rank-intervals*.png"))


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


def test_bleu_from_the_command_line(run: Run, inputs: Path, tmp_path: Path) -> None:
    store, order = tmp_path / "encoder.zarr", tmp_path / "random.parquet"
    assert run("extract", inputs / "nmt", inputs / "words.txt", "--out", store)[0] == 0
    assert run("rank", "random", store, "--out", order)[0] == 0
    code, out, err = run(
        "ablate", inputs / "nmt", order, inputs / "words.txt", inputs / "target.txt", "--metric", "bleu",
        "--counts", "0,48", "--random-orders", 1, "--limit", 4, "--out", tmp_path / "bleu.parquet", "--json",
    )  # fmt: skip
    assert code == 0, err
    assert json.loads(out)["metric"] == "bleu"


def test_errors_are_one_line_and_exit_code_1(run: Run, inputs: Path, tmp_path: Path) -> None:
    store = extracted(run, inputs, tmp_path / "words.zarr")
    out = tmp_path / "out.parquet"
    (tmp_path / "empty").mkdir()
    (tmp_path / "bad.conllu").write_text("1\tonly\tthree\n")
    bare = tmp_path / "bare"
    bare.mkdir()
    for file in ("config.json", "model.safetensors"):
        (bare / file).write_bytes((inputs / "nlm" / file).read_bytes())
    cases = {
        ("rank", "lca", store, "--label", "upos", "--out", out): "kind",
        ("rank", "lca", store, "--out", out): "label",
        ("rank", "nonsense", store, "--out", out): "the methods are: lca, neurox, ",
        ("rank", "lca", store, "--label", "kind", "--set", "lambda3=1", "--out", out): "lambda1",
        ("rank", "lca", inputs / "nlm", "--label", "kind", "--out", out): str(inputs / "nlm"),
        ("extract", bare, inputs / "words.txt", "--out", tmp_path / "x.zarr"): "tokenizer",
        ("extract", tmp_path / "empty", inputs / "words.txt", "--out", tmp_path / "x.zarr"): "config.json",
        ("extract", inputs / "nlm", tmp_path / "bad.conllu", "--out", tmp_path / "x.zarr"): "bad.conllu:1",
        ("extract", inputs / "nlm", tmp_path / "none.txt", "--out", tmp_path / "x.zarr"): "none.txt",
        (
            "extract",
            inputs / "nlm",
            inputs / "words.txt",
            "--sites",
            "layers.9",
            "--out",
            tmp_path / "x.zarr",
        ): ("embeddings"),
        ("extract", inputs / "nlm", inputs / "words.txt", "--out", store): "--force",
        ("show", tmp_path / "bad.conllu"): "bad.conllu",
        ("report", tmp_path / "empty"): "ranking",
        ("study", tmp_path / "none.toml", "--out", tmp_path / "study"): "none.toml",
    }
    for arguments, needed in cases.items():
        code, _, err = run(*arguments)
        assert code == 1, arguments
        assert err.count("\n") == 1, (arguments, err)
        assert err.startswith("onegrain: "), arguments
        assert needed in err, (arguments, err)
    assert not out.exists()
    assert not (tmp_path / "x.zarr").exists()


def test_a_ranking_of_another_models_neurons_is_refused(run: Run, inputs: Path, tmp_path: Path) -> None:
    store, order = extracted(run, inputs, tmp_path / "words.zarr"), tmp_path / "order.parquet"
    assert run("rank", "random", store, "--out", order)[0] == 0
    code, _, err = run(
        "ablate", inputs / "nmt", order, inputs / "words.txt", inputs / "target.txt", "--metric", "perplexity",
        "--out", tmp_path / "curve.parquet",
    )  # fmt: skip
    assert code == 1
    assert "nmt" in err
    assert not (tmp_path / "curve.parquet").exists()


def test_wrong_usage_is_exit_code_2(run: Run) -> None:
    assert run("rank")[0] == 2
    assert run("no-such-verb")[0] == 2
    assert run("demo", "--workers", "many")[0] == 2


def test_debug_shows_the_traceback(tmp_path: Path) -> None:
    command = [
        sys.executable,
        "-c",
        "from onegrain.cli import main; main()",
        "show",
        str(tmp_path / "x.parquet"),
    ]
    short = subprocess.run(command, capture_output=True, text=True, check=False)
    long = subprocess.run([*command, "--debug"], capture_output=True, text=True, check=False)
    assert (short.returncode, long.returncode) == (1, 1)
    assert "Traceback" not in short.stderr
    assert "Traceback" in long.stderr


def test_ctrl_c_leaves_a_store_that_resumes(inputs: Path, tmp_path: Path) -> None:
    text = tmp_path / "long.txt"
    text.write_text((inputs / "words.txt").read_text() * 400)
    out = tmp_path / "long.zarr"
    # a shell that runs the tests in the background has its children ignore Ctrl-C; this one heeds it
    heed = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)"
    command = [
        sys.executable, "-c", f"{heed}; from onegrain.cli import main; main()",
        "extract", str(inputs / "nlm"), str(text), "--out", str(out), "--batch-size", "1",
    ]  # fmt: skip
    process = subprocess.Popen(
        command, stderr=subprocess.PIPE, text=True, env={**os.environ, "OMP_NUM_THREADS": "1"}
    )
    while not out.exists() and process.poll() is None:
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert "the same command resumes" in err.splitlines()[-1]
    command[command.index("--batch-size") + 1] = "256"
    assert subprocess.run(command, check=False, capture_output=True).returncode == 0
    from onegrain.activations import open_activations

    store = open_activations(out)
    once = store.values(0, store.n_words // 400)
    np.testing.assert_allclose(store.values()[-len(once) :], once, rtol=1e-4, atol=1e-6)


def test_the_reference_in_docs_is_up_to_date() -> None:
    assert (ROOT / "docs" / "cli.md").read_text() == reference(), (
        "write it again: python -m onegrain.cli.reference > docs/cli.md"
    )


def test_show_verifies_a_store_and_names_what_is_damaged(run: Run, inputs: Path, tmp_path: Path) -> None:
    store = extracted(run, inputs, tmp_path / "a.zarr")
    code, out, _ = run("show", store, "--verify", "--json")
    assert code == 0
    assert json.loads(out)["verified chunks"] == 1
    assert json.loads(out)["without activation"] == 0
    shard = store / "activations/c/0/0"
    spoilt = bytearray(shard.read_bytes())
    spoilt[100] ^= 1
    shard.write_bytes(spoilt)
    code, _, err = run("show", store, "--verify")
    assert code == 1
    assert "damaged in 1 chunks: activations/c/0/0: words 0 to " in err
    code, _, err = run("show", inputs / "nlm", "--verify")
    assert code == 1
    assert "is not a store of activations; --verify checks stores" in err


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


def test_models_are_compared_and_shared_directions_erased(run: Run, inputs: Path, tmp_path: Path) -> None:
    tiny_gpt2(tmp_path / "gpt2")
    for model in (inputs / "nlm", tmp_path / "gpt2"):
        store = tmp_path / f"{model.name}.zarr"
        code, _, err = run("extract", model, inputs / "words.txt", "--sites", "layers.[01]", "--out", store)
        assert code == 0, err
    stores, record = (tmp_path / "gpt2.zarr", tmp_path / "nlm.zarr"), tmp_path / "alike.parquet"
    code, out, err = run(
        "similarity", *stores, "--measure", "cka", "--measure", "svcca", "--out", record, "--json"
    )
    assert code == 0, err
    rows = json.loads(out)["rows"]
    assert [(row["site_a"], row["site_b"]) for row in rows][1] == ("layers.0", "layers.1")
    assert set(rows[0]) == {"site_a", "site_b", "cka", "svcca"}
    code, out, err = run("similarity", *stores, "--sites", "layers.1", "--no-by-site")
    assert code == 0, err
    assert "pwcca" in out
    code, _, err = run("similarity", *stores, "--out", record)
    assert (code, "exists already" in err) == (1, True)
    code, out, err = run("show", record, "--json")
    assert (code, json.loads(out)["rows"]) == (0, rows), err
    code, out, err = run("show", record)
    assert (code, "similarity" in out) == (0, True), err
    ranking, folder = tmp_path / "svcca.parquet", tmp_path / "shared"
    options = (
        "--others",
        stores[1],
        "--set",
        "site=layers.1",
        "--set",
        f"directions={folder}",
        "--out",
        ranking,
    )
    code, out, err = run("rank", "svcca", stores[0], *options, "--json")
    assert code == 0, err
    assert json.loads(out)["top"][:2] == ["layers.1.latents:0", "layers.1.latents:1"]
    code, out, err = run(
        *("ablate", tmp_path / "gpt2", ranking, inputs / "words.txt", "--out", tmp_path / "c.parquet"),
        *("--metric", "perplexity", "--steps", 2, "--random-orders", 1, "--limit", 8, "--json"),
        *("--dictionary", f"layers.1={folder}"),
    )
    assert code == 0, err
    assert len(set(json.loads(out)["top erased"].values())) > 1


def test_partners_are_listed_and_shown_with_their_words(
    run: Run, inputs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "160")
    tiny_gpt2(tmp_path / "gpt2")
    for model in (inputs / "nlm", tmp_path / "gpt2"):
        store = tmp_path / f"{model.name}.zarr"
        code, _, err = run("extract", model, inputs / "words.txt", "--sites", "layers.[01]", "--out", store)
        assert code == 0, err
    nlm_store, other, ranking = tmp_path / "nlm.zarr", tmp_path / "gpt2.zarr", tmp_path / "r.parquet"
    asked = ("--set", "null=rotation", "--set", "draws=5", "--set", "resamples=5", "--sites", "layers.1")
    code, _, err = run("rank", "maxcorr", nlm_store, "--others", other, *asked, "--out", ranking)
    assert code == 0, err
    code, out, err = run("show", ranking, "--rows", 3)
    assert code == 0, err
    assert "1/layers.1:" in out
    assert "excess" in out
    code, out, err = run(
        "analyse", "universality", ranking, nlm_store, "--others", other, "--k", 2, "--n", 3, "--json"
    )
    assert code == 0, err
    rows = json.loads(out)["rows"]
    assert [row["direction"] for row in rows] == ["high", "low"] * 2
    assert all(set(row["shared"]) <= set(row["words"]) & set(row["partner_words"]) for row in rows)
    code, out, err = run(
        "analyse", "universality", ranking, nlm_store, "--others", other, "--neuron", "layers.1:0"
    )
    assert code == 0, err
    assert "layers.1:0" in out
    code, _, err = run("analyse", "universality", ranking, other, "--others", nlm_store)
    assert (code, len(err.strip().splitlines())) == (1, 1)


def test_show_lists_the_modules_of_an_unknown_architecture(run: Run, tmp_path: Path) -> None:
    from transformers import AutoTokenizer, OPTConfig, OPTForCausalLM

    tokenizer = AutoTokenizer.from_pretrained(tiny_gpt2(tmp_path / "gpt2"))
    sizes = {"hidden_size": 16, "word_embed_proj_dim": 16, "ffn_dim": 24, "num_attention_heads": 2}
    OPTForCausalLM(OPTConfig(vocab_size=len(tokenizer), num_hidden_layers=2, **sizes)).save_pretrained(
        tmp_path / "opt"
    )
    tokenizer.save_pretrained(tmp_path / "opt")
    code, out, err = run("show", tmp_path / "opt", "--json")
    assert code == 0, err
    assert json.loads(out)["sites"]["model.decoder.layers.1.self_attn.q_proj"] == 16
    code, out, _ = run("show", tmp_path / "opt")
    assert "these modules can be read" in out


def test_rank_names_every_method_without_loading_them(run: Run) -> None:
    from onegrain.rankings import METHODS

    code, out, _ = run("rank", "--help")
    assert code == 0
    assert all(name in "".join(out.split()) for name in METHODS)
    check = (
        "import sys\nfrom onegrain.cli import command_tree\n"
        "command_tree()(['rank', '--help'], standalone_mode=False)\n"
        "sys.exit(any(name in sys.modules for name in ('torch', 'transformers', 'sklearn')))"
    )
    assert subprocess.run([sys.executable, "-c", check], check=False).returncode == 0


def test_models_are_ranked_without_storing_anything(run: Run, inputs: Path, tmp_path: Path) -> None:
    tiny_nlm(tmp_path / "other", seed=1)
    text = ("--labels", f"kind={inputs / 'words.kind'}", "--limit", 20)
    stores, models = (tmp_path / "a.zarr", tmp_path / "b.zarr"), (inputs / "nlm", tmp_path / "other")
    for model, store in zip(models, stores, strict=True):
        command = ("extract", model, inputs / "words.txt", *text, "--aggregate", "mean", "--out", store)
        assert run(*command, "--sites", "layers.*")[0] == 0
    reading = ("--corpus", inputs / "words.txt", *text, "--aggregate", "mean", "--sites", "layers.*")
    for method, options in (
        ("maxcorr", lambda pair: ("--others", pair[1])),
        ("f-statistic", lambda pair: ("--label", "kind")),
        ("std", lambda pair: ()),
    ):
        code, live, err = run(
            "rank", method, models[0], *options(models), *reading, "--out", tmp_path / "l.parquet", "--json"
        )
        assert code == 0, err
        code, stored, err = run(
            "rank", method, stores[0], *options(stores), "--out", tmp_path / "s.parquet", "--json"
        )
        assert code == 0, err
        assert json.loads(live)["top"] == json.loads(stored)["top"]
        for name in "ls":
            (tmp_path / f"{name}.parquet").unlink()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.zarr", "b.zarr", "other"]
    out = ("--out", tmp_path / "r.parquet")
    for wrong, message in (
        (
            ("std", stores[0], "--long", "window", "--model-device", "cpu"),
            "--long, --model-device: a store has",
        ),
        (("std", stores[0], "--corpus", inputs / "words.txt"), "has no config.json"),
        (("std", stores[0], "--engine", "ray"), "std runs in this process only"),
        (("std", stores[0], "--workers", 2), "belong to the ray engine"),
        (("std", stores[0], "--engine", "none"), "the engines are: local, ray"),
    ):
        code, _, err = run("rank", *wrong, *out)
        assert code == 1
        assert message in err


def test_several_methods_are_ranked_together(run: Run, inputs: Path, tmp_path: Path) -> None:
    store = extracted(run, inputs, tmp_path / "words.zarr")
    code, out, err = run(
        "rank", "probeless,iou,std", store, "--label", "kind", "--out", tmp_path / "r",
        "--set", "iou.quantiles=[0.9]", "--json",
    )  # fmt: skip
    assert code == 0, err
    told = json.loads(out)["rows"]
    assert [Path(row["ranking"]).name for row in told] == ["probeless.parquet", "iou.parquet", "std.parquet"]
    code, _, err = run(
        "rank", "iou", store, "--label", "kind", "--out", tmp_path / "iou.parquet", "--set", "quantiles=[0.9]"
    )
    assert code == 0, err
    alone, together = (og.Ranking.load(path) for path in (tmp_path / "iou.parquet", tmp_path / "r/iou.parquet"))
    assert alone.scores.tolist() == together.scores.tolist()
    assert alone.provenance == together.provenance
    code, _, err = run("rank", "probeless,iou", store, "--label", "kind", "--out", tmp_path / "r")
    assert (code, "already" in err or "exists" in err) == (1, True)
    code, _, err = run(
        "rank", "auroc,iou", store, "--label", "kind", "--out", tmp_path / "q", "--set", "exact=true"
    )
    assert (code, "say of which of the methods, METHOD.exact=" in err) == (1, True)
