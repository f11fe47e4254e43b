"""Test the files of dictionaries: what is read, what is refused, and how they become sites."""

from __future__ import annotations

import pytest
import torch

from onegrain.errors import MismatchError, ModelError, ParameterError
from onegrain.models.dictionaries.dictionary import load_dictionary
from onegrain.models.loading import load_from_spec
from support.dictionaries import ARCHITECTURES, close, expected, saved
from support.saelens import SIZE, WIDTH, config_v6, random_weights, save_dictionary


def test_identity_tells_weights_and_formula_apart(tmp_path):
    weights = random_weights()
    again = random_weights()
    again["b_enc"][0] += 1e-3
    known = [
        saved(tmp_path / "a"),
        saved(tmp_path / "b", weights=again),
        saved(tmp_path / "c", apply_b_dec_to_input=False),
        saved(tmp_path / "d", normalize_activations="layer_norm"),
        saved(tmp_path / "e", "topk", weights, k=5),
        saved(tmp_path / "f", "topk", weights, k=6),
    ]
    assert len({dictionary.identity for dictionary in known}) == len(known)
    assert saved(tmp_path / "elsewhere", device="cuda").identity == known[0].identity
    assert len(known[0].identity) == 64


def test_an_encoder_alone_can_read_and_not_write(tmp_path, values):
    both_parts = random_weights()
    weights = {name: both_parts[name] for name in ("W_enc", "b_enc")}
    dictionary = saved(tmp_path, weights=weights, apply_b_dec_to_input=False)
    latents = dictionary.encode(values)
    close(latents, expected(both_parts, values, "standard", subtract=False)[0])
    assert not dictionary.can_decode
    assert saved(tmp_path / "whole").can_decode
    with pytest.raises(
        ModelError, match=r"sae_weights\.safetensors has an encoder only.*give a file with W_dec"
    ):
        dictionary.decode_change(values, latents, latents)
    with pytest.raises(ModelError, match=r"has no b_dec; cfg\.json says standard, relu, subtracts bias, which"):
        saved(tmp_path / "biased", weights=weights)
    with pytest.raises(ModelError, match="has no W_dec"):
        saved(
            tmp_path / "norms",
            "topk",
            weights | {"b_dec": both_parts["b_dec"]},
            rescale_acts_by_decoder_norm=True,
        )
    silent = {key: value for key, value in config_v6().items() if key != "apply_b_dec_to_input"}
    close(load_dictionary(save_dictionary(tmp_path / "silent", silent, weights)).encode(values), latents)


def test_flat_heads_are_read_as_they_lie(tmp_path, values):
    """A dictionary of hook_z reads the heads side by side, as the attention's output projection does."""
    dictionary = saved(tmp_path, reshape_activations="hook_z")
    close(dictionary.encode(values), saved(tmp_path / "plain").encode(values))
    with pytest.raises(MismatchError, match="width 16"):
        dictionary.encode(values.reshape(3, 4, 4, 4))


def test_recorded_and_edited_in_a_model(tmp_path, models):
    """What the hooks of a site will do: read latents, zero one, and the model runs on."""
    loaded, dictionary = models["gpt2"], saved(tmp_path)
    rows = [encoded.ids for encoded in loaded.encode([["the", "old", "dog"], ["rain", "!"]])]
    point = loaded.points["layers.0"]

    def erase(value):
        latents = dictionary.encode(value)
        without = latents.clone()
        without[..., :10] = 0.0
        return dictionary.decode_change(value, latents, without)

    with torch.no_grad(), loaded.recording([point]) as record:
        plain = loaded.forward(rows).logits
        value = record["layers.0"]
    with torch.no_grad(), loaded.editing({point: erase}), loaded.recording([point]) as record:
        edited = loaded.forward(rows).logits
    latents = dictionary.encode(value)
    close(record["layers.0"], value - latents[..., :10] @ random_weights()["W_dec"][:10])
    assert not torch.allclose(edited, plain)


def test_values_of_another_site_are_refused(tmp_path, values):
    dictionary = saved(tmp_path)
    wrong = r"dictionary of .*reads floating point values of width 16 \(blocks\.1\.hook_resid_post\), got"
    for bad in (values[..., :8], values.int(), torch.tensor(1.0)):
        with pytest.raises(MismatchError, match=wrong):
            dictionary.encode(bad)
    latents = dictionary.encode(values)
    with pytest.raises(MismatchError, match=wrong):
        dictionary.decode_change(values[..., :8], latents, latents)
    with pytest.raises(ParameterError, match=r"latents of shape \(3, 4, 40\) .*got \(3, 4, 39\)"):
        dictionary.decode_change(values, latents, latents[..., 1:])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"architecture": "batchtopk"},
            "'batchtopk' is not supported; supported: standard, .*save_inference_model",
        ),
        (
            {"architecture": "matryoshka_batchtopk"},
            "supported: standard, gated, jumprelu, topk, linear; SAELens saves it",
        ),
        ({"architecture": "transcoder", "d_out": 16}, "'d_out' says that it is a transcoder"),
        ({"architecture": "skip_transcoder"}, "architecture 'skip_transcoder' is not supported"),
        ({"hook_name_out": "blocks.1.hook_mlp_out"}, "'hook_name_out' says that it is a transcoder"),
        (
            {"architecture": "crosscoder"},
            "architecture 'crosscoder' is not supported; .*give a dictionary of one",
        ),
        (
            {"activation_fn": "gelu"},
            "activation_fn 'gelu' of architecture 'standard' is not supported; .*tanh-relu",
        ),
        ({"architecture": "jumprelu", "activation_fn": "topk"}, "'topk' of architecture 'jumprelu'"),
        (
            {"architecture": "linear", "activation_fn": "relu"},
            "'relu' of architecture 'linear'.*identity of linear",
        ),
        ({"activation_fn": "identity"}, "'identity' of architecture 'standard' is not supported"),
        ({"activation_fn_kwargs": {"postact_fn": "x"}}, "activation_fn_kwargs .*postact_fn.*supported: k"),
        ({"architecture": "topk", "k": None}, "'k' is None; expected a whole number"),
        ({"architecture": "topk", "k": 41}, "k is 41, but there are 40 latents"),
        ({"architecture": "topk", "k": 2.5}, "'k' is 2.5"),
        ({"rescale_acts_by_decoder_norm": True}, "not supported for architecture 'standard'; supported: topk"),
        (
            {"normalize_activations": "whitening"},
            "normalize_activations 'whitening' is not supported; supported",
        ),
        (
            {"normalize_activations": True},
            "'expected_average_only_in', but activation_scaler.json .*scaling_factor",
        ),
        ({"reshape_activations": "flatten"}, "'flatten' is not supported; supported: none, hook_z"),
        ({"hook_head_index": 3}, "hook_head_index 3: it was trained on one attention head"),
        (
            {"model_from_pretrained_kwargs": {"center_writing_weights": True}},
            "changed by center_writing_weights",
        ),
        ({"apply_b_dec_to_input": "yes"}, "'apply_b_dec_to_input' is 'yes'; expected true or false"),
        ({"metadata": [1]}, r"'metadata' is \[1\]; expected an object"),
        ({"d_in": None}, "'d_in' is None; expected a whole number"),
        ({"d_sae": True}, "'d_sae' is True"),
        (
            {"finetuning_scaling_factor": True},
            "says finetuning_scaling_factor, but sae_weights.safetensors has no",
        ),
    ],
)
def test_what_is_not_supported_is_refused_by_name(tmp_path, changes, message):
    folder = save_dictionary(tmp_path, config_v6(**changes), random_weights(changes.get("architecture", "")))
    with pytest.raises(ModelError, match=message) as refusal:
        load_dictionary(folder)
    assert str(folder / "cfg.json") in str(refusal.value)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"W_enc": None},
            "has no W_enc; cfg.json says standard, relu, subtracts bias, which needs W_enc, b_enc",
        ),
        ({"W_enc": torch.zeros(SIZE, WIDTH)}, r"W_enc has shape \(40, 16\), expected \(16, 40\) .*transposed"),
        ({"W_dec": torch.zeros(SIZE, 8)}, r"W_dec has shape \(40, 8\), expected \(40, 16\)"),
        ({"b_enc": torch.zeros(1)}, r"b_enc has shape \(1,\), expected \(40,\)"),
        ({"b_dec": torch.zeros(SIZE)}, r"b_dec has shape \(40,\), expected \(16,\)"),
        ({"W_skip": torch.zeros(WIDTH, WIDTH)}, "has W_skip, which 'standard' does not use"),
        ({"threshold": torch.zeros(SIZE)}, "has threshold, which 'standard' does not use"),
        (
            {"scaling_factor": torch.full((SIZE,), 2.0)},
            "has the tensor 'scaling_factor', and cfg.json does not say",
        ),
        (
            {"W_dec": torch.zeros(SIZE, WIDTH, dtype=torch.int8)},
            "'W_dec' has dtype torch.int8; expected floating",
        ),
    ],
)
def test_tensors_that_do_not_fit_are_refused(tmp_path, change, message):
    weights = {name: tensor for name, tensor in (random_weights() | change).items() if tensor is not None}
    folder = save_dictionary(tmp_path, config_v6(), weights)
    with pytest.raises(ModelError, match=message) as refusal:
        load_dictionary(folder)
    assert str(folder / "sae_weights.safetensors") in str(refusal.value)


def test_folders_without_the_files_are_refused(tmp_path):
    with pytest.raises(ModelError, match=r"no .*nowhere/cfg\.json; give the folder that SAELens saved"):
        load_dictionary(tmp_path / "nowhere")
    folder = save_dictionary(tmp_path / "a", config_v6(), random_weights())
    weights = folder / "sae_weights.safetensors"
    weights.write_bytes(weights.read_bytes()[:-100])
    with pytest.raises(ModelError, match=r"sae_weights\.safetensors is not a complete safetensors file"):
        load_dictionary(folder)
    weights.rename(folder / "sae_weights.pt")
    with pytest.raises(
        ModelError, match=r"no .*sae_weights\.safetensors; only weights in safetensors are read"
    ):
        load_dictionary(folder)
    for text, message in (("{", "is not JSON"), ("[1]", "holds a list")):
        (folder / "cfg.json").write_text(text)
        with pytest.raises(ModelError, match=rf"cfg\.json {message}"):
            load_dictionary(folder)


def test_the_factor_beside_a_checkpoint(tmp_path, values):
    folder = save_dictionary(
        tmp_path, config_v6(normalize_activations="expected_average_only_in"), random_weights()
    )
    scaler = folder / "activation_scaler.json"
    scaler.write_text('{"scaling_factor": null}')
    close(load_dictionary(folder).encode(values), expected(random_weights(), values, "standard")[0])
    for text, message in (
        ('{"scaling_factor": -1}', "scaling_factor is -1; expected a positive number"),
        ('{"scaling_factor": 1.0, "has_whitening": true}', "whitening is not supported"),
    ):
        scaler.write_text(text)
        with pytest.raises(ModelError, match=rf"activation_scaler\.json: {message}"):
            load_dictionary(folder)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_weights_follow_the_values(tmp_path, values, architecture):
    dictionary = saved(tmp_path, architecture, normalize_activations="layer_norm")
    moved = values.cuda()
    latents = dictionary.encode(moved)
    assert latents.device == moved.device
    close(latents.cpu(), dictionary.encode(values))
    changed = dictionary.decode_change(moved, latents, latents * 0)
    close(changed.cpu(), dictionary.decode_change(values, latents.cpu(), latents.cpu() * 0))
    assert dictionary.decode_change(moved, latents, latents.clone()).equal(moved)
    assert dictionary.weights["W_enc"].device.type == "cpu"


def test_latents_are_a_site_that_is_read_edited_and_loaded_elsewhere(models, tmp_path):
    """The site's latents are those of its value; an edit of one adds its decoder row, and nothing else."""
    folder = save_dictionary(tmp_path / "sae", config_v6(), random_weights("standard"))
    loaded = models["gpt2"].with_dictionary("layers.0", folder)
    assert models["gpt2"].points.keys() == loaded.points.keys() - {"layers.0.latents"}
    assert "layers.0.latents" not in [point.name for point in loaded.select()]
    assert loaded.space(["layers.0.latents"]).widths == (SIZE,)
    dictionary, ids = loaded.dictionaries["layers.0"], [[5, 9, 30, 7]]
    points = loaded.select(["layers.0", "layers.0.latents"])
    with torch.no_grad(), loaded.recording(points) as record:
        loaded.forward(ids)
        value, latents = record["layers.0"], record["layers.0.latents"]
    torch.testing.assert_close(latents, dictionary.encode(value), rtol=0, atol=0)
    unit = int(latents[0].amax(dim=0).argmax())
    assert float(latents[0, :, unit].max()) > 0

    def silence(seen):
        changed = seen.clone()
        changed[..., unit] = 0.0
        return changed

    with torch.no_grad(), loaded.editing({points[1]: silence}), loaded.recording([points[0]]) as record:
        loaded.forward(ids)
        after = record["layers.0"]
    expected = value - latents[..., unit, None] * dictionary.weights["W_dec"][unit]
    torch.testing.assert_close(after, expected, rtol=1e-5, atol=1e-6)
    again = load_from_spec(loaded.load_spec)
    assert again.dictionaries["layers.0"].identity == dictionary.identity
    assert again.space(list(loaded.points)) == loaded.space(list(loaded.points))
    with pytest.raises(ModelError, match="has a dictionary already"):
        loaded.with_dictionary("layers.0", folder)
    with pytest.raises(MismatchError, match=r"reads 16 units, but site 'layers\.0\.mlp' has 64"):
        models["gpt2"].with_dictionary("layers.0.mlp", folder)
