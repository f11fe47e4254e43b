"""Test what an edit of latents does to the value of their site."""

from __future__ import annotations

import pytest
import torch

from onegrain.models.dictionaries.dictionary import load_dictionary
from support.dictionaries import ARCHITECTURES, NORMALIZATIONS, close, expected, saved
from support.saelens import SIZE, config_v4, random_weights, save_dictionary


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
