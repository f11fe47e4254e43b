"""Damage to dictionaries: what onegrain wrote carries a checksum, and every file that fails is one error."""

from __future__ import annotations

import json
import random
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from onegrain.errors import ModelError
from onegrain.models.dictionaries.dictionary import load_dictionary
from onegrain.records.directions import Directions
from onegrain.records.provenance import ModelIdentity, Provenance
from support.saelens import config_v6, random_weights, save_dictionary

FILES = ("cfg.json", "sae_weights.safetensors")


def directions() -> Directions:
    generator = np.random.default_rng(0)
    model = ModelIdentity(id="m", architecture="A", weight_hash="ab" * 8)
    encoder = generator.normal(size=(3, 2))
    return Directions("layers.0", np.ones(3), encoder, encoder.T.copy(), Provenance(stage="rank", model=model))


@pytest.mark.parametrize("name", FILES)
def test_one_flipped_bit_in_directions_is_refused_or_changes_nothing(name: str, tmp_path: Path) -> None:
    folder = tmp_path / "d"
    directions().save(folder)
    before = load_dictionary(folder)
    assert before.identity == directions().identity
    path = folder / name
    data, chosen, same = path.read_bytes(), random.Random(5), 0
    for position in range(len(data)):
        flipped = bytearray(data)
        flipped[position] ^= 1 << chosen.randrange(8)
        path.write_bytes(flipped)
        try:
            after = load_dictionary(folder)
        except ModelError as error:
            text = str(error)
        else:
            assert (after.formula, after.identity) == (before.formula, before.identity)
            same += 1
            continue
        assert str(folder) in text
        assert "\n" not in text
    assert same < len(data) / 4 if name == "cfg.json" else same == 0


def test_the_same_directions_give_the_same_bytes(tmp_path: Path) -> None:
    for name in ("a", "b"):
        directions().save(tmp_path / name)
    for file in FILES:
        assert (tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes()


def test_directions_whose_checksum_is_gone_are_refused(tmp_path: Path) -> None:
    folder = tmp_path / "d"
    directions().save(folder)
    config = json.loads((folder / "cfg.json").read_text())
    del config["checksum"]
    (folder / "cfg.json").write_text(json.dumps(config))
    with pytest.raises(ModelError, match=r"cfg\.json has no 'checksum'.*make the dictionary again"):
        load_dictionary(folder)
    (folder / "cfg.json").write_text(json.dumps(config | {"checksum": 3}))
    (folder / "sae_weights.safetensors").unlink()
    with pytest.raises(ModelError, match="sae_weights"):
        load_dictionary(folder)


@pytest.mark.parametrize(
    "text",
    [
        "[" * 100_000,
        '{"a":' * 100_000,
        "\xff",
        "null",
        '"x"',
        '{"d_in": ' + "9" * 5000 + "}",
        "{}",
        '{"d_in": []}',
    ],
)
@pytest.mark.parametrize("name", ["cfg.json", "activation_scaler.json"])
def test_configurations_that_are_none_are_one_error(name: str, text: str, tmp_path: Path) -> None:
    config = config_v6(normalize_activations="expected_average_only_in")
    folder = save_dictionary(tmp_path, config, random_weights())
    (folder / name).write_bytes(text.encode("latin-1"))
    if name == "activation_scaler.json" and text.startswith("{}"):
        return  # SAELens forgets the factor once it is folded in
    if name == "activation_scaler.json" and text == '{"d_in": []}':
        return
    with pytest.raises(ModelError) as refusal:
        load_dictionary(folder)
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize("value", [None, [], {}, "x", 1.5, -1, True, 10**400, [[1]]])
def test_fields_of_any_type_are_read_or_one_error(value: object, tmp_path: Path) -> None:
    folder = save_dictionary(tmp_path, config_v6(), random_weights())
    for key in (*config_v6(), "metadata", "k", "hook_name", "activation_fn_kwargs", "reshape_activations"):
        (folder / "cfg.json").write_text(json.dumps(config_v6() | {key: value}))
        try:
            load_dictionary(folder)
        except ModelError as error:
            text = str(error)
        else:
            continue
        assert str(folder) in text
    config = config_v6(normalize_activations="expected_average_only_in")
    (folder / "cfg.json").write_text(json.dumps(config))
    (folder / "activation_scaler.json").write_text(json.dumps({"scaling_factor": value}))
    if value is not None and value != 1.5:
        with pytest.raises(ModelError, match="scaling_factor"):
            load_dictionary(folder)


def test_weights_that_are_no_numbers_or_no_weights_are_refused(tmp_path: Path) -> None:
    folder = save_dictionary(tmp_path, config_v6(), random_weights())
    path = folder / "sae_weights.safetensors"
    weights = random_weights()
    weights["W_enc"][0, 0] = torch.nan
    save_file(weights, path)
    with pytest.raises(ModelError, match="'W_enc' has values that are no numbers"):
        load_dictionary(folder)
    chosen = random.Random(2)
    for data in (
        b"",
        b"\0" * 8,
        b"\xff" * 100,
        (100).to_bytes(8, "little") + b"[" * 100,
        chosen.randbytes(500),
    ):
        path.write_bytes(data)
        with pytest.raises(ModelError, match="is not a complete safetensors file"):
            load_dictionary(folder)
