"""Test the latents of dictionaries against their formulas."""

from __future__ import annotations

import pytest
import torch
from safetensors.torch import save_file

from onegrain.models.dictionaries.dictionary import load_dictionary
from support.dictionaries import ARCHITECTURES, NORMALIZATIONS, close, expected, saved
from support.saelens import SIZE, WIDTH, config_v4, random_weights, save_dictionary


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
