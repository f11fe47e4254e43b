"""Models spread over devices and disk, in half precision, and loaded again elsewhere."""

from __future__ import annotations

import pickle
import subprocess
import sys

import pytest
import torch

from onegrain.errors import ModelError, ParameterError
from onegrain.models import load_model
from onegrain.models.load_spec import LoadSpec
from onegrain.models.loading import hash_weights, load_from_spec
from support import ROOT
from support.tiny import plain_corpus

MAPS = {
    "llama": {
        "model.embed_tokens": "cpu",
        "model.layers.0": "cpu",
        "model.layers.1": "disk",
        "model.norm": "disk",
        "model.rotary_emb": "cpu",
        "lm_head": "cpu",
    },
    "gpt2": {
        **{f"transformer.{part}": "cpu" for part in ("wte", "wpe", "drop", "h.1")},
        **{f"transformer.{part}": "disk" for part in ("h.0", "ln_f")},
        "lm_head": "cpu",
    },
    "bert": {"embeddings": "disk", "encoder": "disk", "pooler": "cpu"},
    "t5": {
        "shared": "cpu",
        "encoder": "cpu",
        **{f"decoder.{part}": "cpu" for part in ("embed_tokens", "block.0", "dropout")},
        **{f"decoder.{part}": "disk" for part in ("block.1", "final_layer_norm")},
        "lm_head": "cpu",
    },
}


@pytest.fixture(params=MAPS)
def pair(request, zoo, tmp_path):
    """A model, and the same one partly on disk."""
    name = request.param
    spread = load_model(zoo.path(name), device_map=MAPS[name], offload_folder=tmp_path / "weights")
    return zoo[name], spread


def rows(loaded) -> list[list[int]]:
    return [encoded.ids for encoded in loaded.encode(list(plain_corpus().sentences()))]


@torch.no_grad()
def values(loaded, edits=None) -> dict[str, torch.Tensor]:
    """What every site holds, and the model's output."""
    points, ids = loaded.select(["**", "**.heads.*"]), rows(loaded)
    with loaded.editing(edits or {}), loaded.recording(points) as record:
        out = loaded.forward(ids, ids if loaded.task == "translation" else None)[0]
        return {point.name: record[point.name] for point in points} | {"output": out}


def test_weights_on_disk_are_the_same_model(pair):
    plain, spread = pair
    assert any(weight.is_meta for weight in spread.model.parameters())
    assert spread.identity == plain.identity
    assert hash_weights(spread.model) == hash_weights(plain.model)
    assert any(weight.is_meta for weight in spread.model.parameters())
    assert spread.device == torch.device("cpu")


def test_weights_on_disk_give_the_same_values(pair):
    plain, spread = pair
    assert spread.space(list(plain.points)) == plain.space(list(plain.points))
    expected, offloaded = values(plain), values(spread)
    for name, value in expected.items():
        torch.testing.assert_close(offloaded[name], value, rtol=0, atol=0)


def test_modules_on_disk_are_edited(pair):
    plain, spread = pair
    prefix = "encoder." if plain.task == "translation" else ""
    for site in ("embeddings", "layers.1", "layers.1.heads.0"):
        edited = {
            each: values(each, {each.points[prefix + site]: lambda value: value * 0.5})["output"]
            for each in (plain, spread)
        }
        torch.testing.assert_close(edited[spread], edited[plain], rtol=0, atol=0)
        assert not torch.equal(edited[plain], values(plain)["output"])


def test_accelerate_finds_a_map_itself_and_nothing_is_printed(zoo, capfd):
    path, before = zoo.path("llama"), zoo["llama"].identity
    capfd.readouterr()
    spread = load_model(path, device_map="auto", max_memory={"cpu": "1GiB"})
    assert spread.identity == before
    assert spread.load_spec.device_map == "auto"
    assert capfd.readouterr() == ("", "")


def test_offloading_is_quiet(zoo, tmp_path, capfd):
    path = zoo.path("llama")
    capfd.readouterr()
    load_model(path, device_map=MAPS["llama"], offload_folder=tmp_path)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"device": "cpu", "device_map": "auto"}, "leave out device"),
        ({"max_memory": {"cpu": "1GiB"}}, "need a device_map"),
        ({"offload_folder": "weights"}, "need a device_map"),
    ],
)
def test_options_that_exclude_each_other_are_refused(zoo, options, text):
    with pytest.raises(ParameterError, match=text):
        load_model(zoo.path("llama"), **options)


def test_a_map_that_does_not_exist_is_refused(zoo):
    with pytest.raises(ModelError, match="cannot load the model of"):
        load_model(zoo.path("llama"), device_map="everywhere")


def test_an_origin_loads_the_same_model(zoo, monkeypatch, tmp_path):
    path = zoo.path("gpt2")
    monkeypatch.chdir(path.parent)
    loaded = load_model("gpt2", device="cpu", dtype="bfloat16")
    assert loaded.identity.id == "gpt2"
    load_spec = pickle.loads(pickle.dumps(loaded.load_spec))
    monkeypatch.chdir(tmp_path)  # a relative path means another folder from here
    again = load_from_spec(load_spec)
    assert again.identity == loaded.identity
    assert again.load_spec == load_spec
    assert {weight.dtype for weight in again.model.parameters()} == {torch.bfloat16}


def test_an_origin_loads_in_another_process(models, tmp_path):
    loaded = models["nlm"]
    (tmp_path / "load_spec").write_bytes(pickle.dumps(loaded.load_spec))
    script = (
        "import pickle, sys; from pathlib import Path; from onegrain.models.loading import load_from_spec\n"
        "loaded = load_from_spec(pickle.loads(Path(sys.argv[1]).read_bytes()))\n"
        "print(loaded.identity.weight_hash, loaded.device)"
    )
    command = [sys.executable, "-c", script, str(tmp_path / "load_spec")]
    environment = {"PYTHONPATH": str(ROOT / "src"), "PATH": ""}
    process = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    assert process.stdout.split() == [loaded.identity.weight_hash, "cpu"]


def test_an_origin_keeps_every_option(zoo, tmp_path):
    loaded = load_model(
        zoo.path("llama"), name="mine", device_map=MAPS["llama"], offload_folder=tmp_path, allow_pickle=True
    )
    assert loaded.load_spec == LoadSpec(
        path=str(zoo.path("llama").resolve()),
        name="mine",
        device_map=MAPS["llama"],
        offload_folder=str(tmp_path),
        allow_pickle=True,
    )
    assert load_from_spec(loaded.load_spec).identity == loaded.identity


TOLERANCE = {"bfloat16": 0.06, "float16": 0.005}
"""Of the length of all values of a site together; bfloat16 keeps 8 bits, float16 11."""


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("name", ["bert", "roberta", "gpt2", "llama", "gemma", "t5", "bart", "marian"])
def test_half_precision_is_near_single_precision(zoo, name, dtype):
    half = load_model(zoo.path(name), device="cpu", dtype=dtype)
    exact, rounded = values(zoo[name]), values(half)
    real = zoo[name].batch(rows(half))["attention_mask"].bool()
    for site, value in exact.items():
        difference = (rounded[site].float() - value)[real].norm() / value[real].norm()
        assert 0 < difference < TOLERANCE[dtype], site
