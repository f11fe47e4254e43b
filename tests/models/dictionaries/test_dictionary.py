"""Learned dictionaries: against the formulas written out as loops, planted bases, edits, and refusals."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from onegrain.errors import MismatchError, ModelError, ParameterError
from onegrain.models.dictionaries.dictionary import load_dictionary
from onegrain.models.loading import load_from_spec
from support.saelens import SIZE, WIDTH, config_v4, config_v6, random_weights, save_dictionary

ARCHITECTURES = ["standard", "gated", "jumprelu", "topk", "linear"]
NORMALIZATIONS = ["none", "expected_average_only_in", "constant_norm_rescale", "layer_norm"]
SCALE = 0.37


@pytest.fixture
def values() -> torch.Tensor:
    return 2 * torch.randn(3, 4, WIDTH, generator=torch.Generator().manual_seed(7)) + 0.5


def saved(folder, architecture="standard", weights=None, **changes):
    """A dictionary of SAELens 6, loaded."""
    config = config_v6(architecture, **changes)
    save_dictionary(folder, config, random_weights(architecture) if weights is None else weights)
    if config["normalize_activations"] == "expected_average_only_in":
        (folder / "activation_scaler.json").write_text(json.dumps({"scaling_factor": SCALE}))
    return load_dictionary(folder)


def by_hand(weights, row, architecture, *, subtract=True, normalization="none", k=5, activation="relu"):
    """Latents of one value and the unit of its decoder, in float64, unit by unit."""
    w = {name: tensor.double().numpy() for name, tensor in weights.items()}
    x, unit = [float(value) for value in row], 1.0
    if normalization == "expected_average_only_in":
        x, unit = [value * SCALE for value in x], 1 / SCALE
    if normalization == "constant_norm_rescale":
        unit = math.sqrt(sum(value**2 for value in x)) / math.sqrt(len(x))
        x = [value / unit for value in x]
    if normalization == "layer_norm":
        mean = sum(x) / len(x)
        unit = math.sqrt(sum((value - mean) ** 2 for value in x) / (len(x) - 1))
        x = [(value - mean) / (unit + 1e-5) for value in x]
    if subtract:
        x = [value - bias for value, bias in zip(x, w["b_dec"], strict=True)]
    relu = (lambda z: math.tanh(max(z, 0.0))) if activation == "tanh-relu" else (lambda z: max(z, 0.0))
    latents = []
    for j in range(w["W_enc"].shape[1]):
        if architecture == "gated":
            gate = sum(x[i] * w["W_enc"][i, j] for i in range(len(x))) + w["b_gate"][j]
            size = sum(x[i] * w["W_enc"][i, j] * math.exp(w["r_mag"][j]) for i in range(len(x))) + w["b_mag"][j]
            latents.append(relu(size) if gate > 0 else 0.0)
            continue
        z = sum(x[i] * w["W_enc"][i, j] for i in range(len(x)))
        if architecture == "linear":
            latents.append(z)
            continue
        z += w["b_enc"][j]
        if architecture == "jumprelu":
            z = z if z > w["threshold"][j] else 0.0
        latents.append(z if architecture == "topk" else relu(z))
    if architecture == "topk":
        first = sorted(range(len(latents)), key=lambda j: (-latents[j], j))[:k]
        latents = [relu(z) if j in first else 0.0 for j, z in enumerate(latents)]
    return np.array(latents), unit


def expected(weights, values, architecture, **options):
    """:func:`by_hand` for every value: latents and units."""
    pairs = [by_hand(weights, row, architecture, **options) for row in values.reshape(-1, WIDTH)]
    latents = torch.tensor(np.array([pair[0] for pair in pairs]), dtype=torch.float32)
    units = torch.tensor([pair[1] for pair in pairs], dtype=torch.float32)
    return latents.reshape(*values.shape[:-1], -1), units.reshape(*values.shape[:-1], 1)


def close(actual, wanted):
    torch.testing.assert_close(actual, wanted, rtol=1e-5, atol=2e-6)


@pytest.mark.parametrize("normalization", NORMALIZATIONS)
@pytest.mark.parametrize("subtract", [True, False])
@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_latents_are_those_of_the_formula(tmp_path, values, architecture, subtract, normalization):
    dictionary = saved(
        tmp_path, architecture, apply_b_dec_to_input=subtract, normalize_activations=normalization
    )
    latents = dictionary.encode(values)
    options = {"subtract": subtract, "normalization": normalization}
    close(latents, expected(random_weights(architecture), values, architecture, **options)[0])
    assert latents.dtype == torch.float32
    assert (dictionary.width_in, dictionary.size) == (WIDTH, SIZE)
    assert 0.05 < float((latents > 0).float().mean()) < 0.95


@pytest.mark.parametrize("architecture", ["standard", "gated", "jumprelu"])
def test_files_of_older_versions(tmp_path, values, architecture):
    weights = random_weights(architecture)
    config = config_v4(architecture, activation_fn_str="tanh-relu")
    dictionary = load_dictionary(save_dictionary(tmp_path, config, weights))
    close(dictionary.encode(values), expected(weights, values, architecture, activation="tanh-relu")[0])
    assert dictionary.hook_name == "blocks.1.hook_resid_pre"


def test_files_before_version_3_know_fewer_keys(tmp_path, values):
    """No architecture, no bias flag, a flag for the normalisation, the old name of the hook."""
    config = {"d_in": WIDTH, "d_sae": SIZE, "hook_point": "blocks.8.hook_resid_pre", "activation_fn": "relu"}
    config |= {"hook_point_head_index": None, "normalize_activations": False, "dtype": "torch.float32"}
    folder = save_dictionary(tmp_path, config, random_weights())
    save_file({"sparsity": torch.zeros(SIZE)}, folder / "sparsity.safetensors")
    dictionary = load_dictionary(str(folder))
    close(dictionary.encode(values), expected(random_weights(), values, "standard")[0])
    assert dictionary.hook_name == "blocks.8.hook_resid_pre"


def test_topk_was_an_activation_of_standard(tmp_path, values):
    config = config_v4(
        activation_fn_str="topk", activation_fn_kwargs={"k": 3}, normalize_activations="layer_norm"
    )
    latents = load_dictionary(save_dictionary(tmp_path, config, random_weights())).encode(values)
    close(latents, expected(random_weights(), values, "topk", k=3, normalization="layer_norm")[0])
    assert int((latents > 0).sum(dim=-1).max()) == 3


def test_topk_by_the_norm_of_decoder_rows(tmp_path, values):
    """The same dictionary as one whose norms are folded into the weights, as SAELens folds them."""
    weights = random_weights("topk")
    norms = weights["W_dec"].norm(dim=-1)
    folded = {
        "W_enc": weights["W_enc"] * norms,
        "b_enc": weights["b_enc"] * norms,
        "W_dec": weights["W_dec"] / norms.unsqueeze(1),
        "b_dec": weights["b_dec"],
    }
    raw = saved(tmp_path / "raw", "topk", weights, rescale_acts_by_decoder_norm=True)
    plain = saved(tmp_path / "folded", "topk", folded)
    latents = raw.encode(values)
    close(latents, plain.encode(values))
    close(raw.decode_change(values, latents, 2 * latents), plain.decode_change(values, latents, 2 * latents))
    assert not torch.allclose(latents, saved(tmp_path / "not", "topk", weights).encode(values))


def test_of_equal_latents_the_first_are_kept(tmp_path):
    weights = random_weights("topk")
    weights["W_enc"].zero_()
    weights["b_enc"].fill_(1.0)
    weights["b_enc"][30] = 2.0
    latents = saved(tmp_path, "topk", weights).encode(torch.ones(2, WIDTH))
    assert latents[1].nonzero().flatten().tolist() == [0, 1, 2, 3, 30]


def test_a_checkpoint_holds_the_logarithm_of_the_threshold(tmp_path, values):
    weights = random_weights("jumprelu")
    wanted = saved(tmp_path / "plain", "jumprelu", weights).encode(values)
    weights["log_threshold"] = weights.pop("threshold").log()
    close(saved(tmp_path / "log", "jumprelu", weights).encode(values), wanted)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_planted_latents_are_found(tmp_path, architecture):
    """A value made of known latents over an orthonormal basis, in whatever order the basis is stored."""
    order = torch.randperm(WIDTH, generator=torch.Generator().manual_seed(3))
    basis = torch.linalg.qr(torch.randn(WIDTH, WIDTH, generator=torch.Generator().manual_seed(4)))[0][order]
    weights = {"W_enc": basis.T, "W_dec": basis, "b_dec": torch.arange(WIDTH) / 4.0}
    zeros = torch.zeros(WIDTH)
    gates = {"b_gate": zeros - 0.01, "b_mag": zeros.clone(), "r_mag": zeros.clone()}
    weights |= {"gated": gates, "linear": {}}.get(architecture, {"b_enc": zeros})
    weights |= {"threshold": zeros + 0.5} if architecture == "jumprelu" else {}
    dictionary = saved(tmp_path, architecture, weights, d_sae=WIDTH)
    planted = torch.zeros(2, WIDTH)
    planted[0, [2, 5, 11]] = torch.tensor([1.0, 3.0, 0.75])
    planted[1, 7] = 6.0
    close(dictionary.encode(planted @ basis + weights["b_dec"]), planted)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16, torch.float64])
@pytest.mark.parametrize("normalization", NORMALIZATIONS)
@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_an_edit_that_changes_nothing_changes_no_bit(tmp_path, values, architecture, normalization, dtype):
    dictionary = saved(tmp_path, architecture, normalize_activations=normalization)
    values = values.to(dtype)
    values[0, 0, :3] = torch.tensor([-0.0, 1e-7, 60000.0], dtype=dtype)
    values[1, 1] = 0.0
    values[2, 2, 2] = float("nan")
    latents = dictionary.encode(values)
    same = dictionary.decode_change(values, latents, latents.clone())
    assert same.dtype == dtype
    assert same.view(torch.uint8).equal(values.view(torch.uint8))
    edited = latents.clone()
    edited[2, 3] += 1.0
    changed = dictionary.decode_change(values, latents, edited)
    assert changed[:2].view(torch.uint8).equal(values[:2].view(torch.uint8))
    assert not changed[2, 3].equal(values[2, 3])


def test_a_latent_that_is_kept_adds_nothing_however_large(tmp_path, values):
    dictionary = saved(tmp_path)
    before = torch.zeros(3, 4, SIZE)
    before[0, 0, 2] = float("inf")
    after = before.clone()
    after[0, 0, 5], after[1, 1, 2] = 1.0, 1.0
    changed = dictionary.decode_change(values, before, after)
    close(changed[0, 0], values[0, 0] + random_weights()["W_dec"][5])
    close(changed[1, 1], values[1, 1] + random_weights()["W_dec"][2])


@pytest.mark.parametrize("normalization", NORMALIZATIONS)
@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_a_latent_set_to_zero_takes_its_row_away(tmp_path, values, architecture, normalization):
    dictionary = saved(tmp_path, architecture, normalize_activations=normalization)
    weights = random_weights(architecture)
    _, unit = expected(weights, values, architecture, normalization=normalization)
    latents = dictionary.encode(values)
    for j in latents.amax(dim=(0, 1)).topk(3).indices.tolist():
        without = latents.clone()
        without[..., j] = 0.0
        wanted = values - latents[..., j, None] * weights["W_dec"][j] * unit
        change = dictionary.decode_change(values, latents, without)
        torch.testing.assert_close(change, wanted, rtol=1e-6, atol=1e-6)
        assert not torch.allclose(change, values)


@pytest.mark.parametrize("normalization", NORMALIZATIONS)
def test_a_change_is_the_difference_of_two_reconstructions(tmp_path, values, normalization):
    """As SAELens puts it with its error term: the decoder of the edited latents, and what it missed before."""
    dictionary = saved(tmp_path, normalize_activations=normalization)
    weights = random_weights()
    _, unit = expected(weights, values, "standard", normalization=normalization)
    shift = values.mean(dim=-1, keepdim=True) if normalization == "layer_norm" else 0.0
    before = dictionary.encode(values)
    after = torch.rand(before.shape, generator=torch.Generator().manual_seed(1))

    def decode(latents):
        return (latents @ weights["W_dec"] + weights["b_dec"]) * unit + shift

    wanted = decode(after) + (values - decode(before))
    torch.testing.assert_close(dictionary.decode_change(values, before, after), wanted, rtol=1e-4, atol=1e-4)


def test_the_factor_of_finetuning_is_on_the_decoder_alone(tmp_path, values):
    factor = torch.linspace(0.5, 2.0, SIZE)
    for name in ("finetuning_scaling_factor", "scaling_factor"):
        weights = random_weights() | {name: factor}
        config = config_v4(finetuning_scaling_factor=True)
        dictionary = load_dictionary(save_dictionary(tmp_path / name, config, weights))
        latents = dictionary.encode(values)
        close(latents, expected(random_weights(), values, "standard")[0])
        change = dictionary.decode_change(values, latents, torch.zeros_like(latents))
        close(change, values - (latents * factor) @ weights["W_dec"])
    ones = random_weights() | {"scaling_factor": torch.ones(SIZE)}
    unused = load_dictionary(save_dictionary(tmp_path / "ones", config_v4(), ones))
    close(unused.decode_change(values, latents, latents * 0), values - latents @ ones["W_dec"])


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_computed_on_in_float32(tmp_path, values, dtype):
    weights = {name: tensor.to(torch.bfloat16) for name, tensor in random_weights().items()}
    dictionary = saved(tmp_path, "standard", weights)
    half = values.to(dtype)
    latents = dictionary.encode(half)
    assert latents.dtype == torch.float32
    assert latents.equal(dictionary.encode(half.float()))
    close(latents, expected(weights, half, "standard")[0])
    changed = dictionary.decode_change(half, latents, latents * 0)
    single = dictionary.decode_change(half.float(), latents, latents * 0)
    assert changed.dtype == dtype
    assert changed.equal(single.to(dtype))


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_values_do_not_depend_on_their_batch(tmp_path, values, architecture):
    dictionary = saved(tmp_path, architecture)
    latents = dictionary.encode(values)
    changed = dictionary.decode_change(values, latents, latents * 0.5)
    for sentence in range(3):
        for word in range(4):
            value = values[sentence, word]
            alone = dictionary.encode(value)
            close(alone, latents[sentence, word])
            close(dictionary.decode_change(value, alone, alone * 0.5), changed[sentence, word])
    assert dictionary.encode(values[:0]).shape == (0, 4, SIZE)
    assert dictionary.decode_change(values[:0], latents[:0], latents[:0]).shape == (0, 4, WIDTH)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_a_permuted_dictionary_gives_permuted_latents(tmp_path, values, architecture):
    weights = random_weights(architecture)
    order = torch.randperm(SIZE, generator=torch.Generator().manual_seed(5))
    permuted = {
        name: tensor[:, order] if name == "W_enc" else tensor if name == "b_dec" else tensor[order]
        for name, tensor in weights.items()
    }
    first = saved(tmp_path / "a", architecture, weights)
    second = saved(tmp_path / "b", architecture, permuted)
    close(second.encode(values), first.encode(values)[..., order])
    assert first.identity != second.identity


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_a_nan_is_not_hidden(tmp_path, values, architecture):
    dictionary = saved(tmp_path, architecture)
    values[0, 1, 3] = float("nan")
    latents = dictionary.encode(values)
    assert bool(latents[0, 1].isnan().all())
    assert int(latents.isnan().any(dim=-1).sum()) == 1


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
