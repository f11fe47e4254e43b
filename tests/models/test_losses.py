"""Losses equal those of float64, for every vocabulary and precision, and so do their gradients."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from onegrain.models import losses
from onegrain.models.losses import IGNORED, exact_losses, mean_loss

VOCABULARIES = (500, 49_152, 128_256, 256_000)


def drawn(classes: int, dtype: torch.dtype = torch.float32) -> tuple[torch.Tensor, torch.Tensor]:
    """Logits of two rows of eight subwords, and what they are to predict; one is not predicted."""
    source = torch.Generator().manual_seed(classes)
    logits = (3 * torch.randn(2, 8, classes, generator=source)).to(dtype)
    wanted = torch.randint(0, classes, (2, 8), generator=source)
    wanted[1, 3] = IGNORED
    return logits, wanted


def reference(logits: torch.Tensor, wanted: torch.Tensor) -> torch.Tensor:
    return F.cross_entropy(
        logits.double().flatten(0, 1), wanted.flatten(), ignore_index=IGNORED, reduction="none"
    ).view(wanted.shape)


@pytest.mark.parametrize("classes", VOCABULARIES)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16], ids=str)
def test_losses_are_those_of_float64(classes: int, dtype: torch.dtype) -> None:
    logits, wanted = drawn(classes, dtype)
    result = exact_losses(logits, wanted)
    assert result.dtype == torch.float64
    assert result[1, 3] == 0
    torch.testing.assert_close(result, reference(logits, wanted), rtol=0, atol=1e-9)


def test_float32_logits_that_are_transposed_are_as_exact() -> None:
    """A view whose classes do not lie side by side, as the first dimension of a projection gives it."""
    logits, wanted = drawn(49_152)
    turned = logits.transpose(1, 2).contiguous().transpose(1, 2)
    torch.testing.assert_close(exact_losses(turned, wanted), reference(logits, wanted), rtol=0, atol=1e-9)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16], ids=str)
def test_gradients_are_those_of_float64(dtype: torch.dtype, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(losses, "VALUES_AT_ONCE", 1200)  # chunks of two rows, and a last one of one
    logits, wanted = drawn(500, dtype)
    logits, wanted = logits[:, :5], wanted[:, :5]
    weight = torch.linspace(0.5, 2, 10, dtype=torch.float64).view(2, 5)
    ours, theirs = logits.clone().requires_grad_(), logits.double().requires_grad_()
    (exact_losses(ours, wanted) * weight).sum().backward()
    (reference(theirs, wanted) * weight).sum().backward()
    assert ours.grad is not None
    assert ours.grad.dtype == dtype
    assert theirs.grad is not None
    torch.testing.assert_close(ours.grad, theirs.grad.to(dtype), rtol=1e-5, atol=1e-9)


def test_values_far_from_zero_neither_overflow_nor_vanish() -> None:
    logits = torch.tensor([[3e38, -3e38, 0.0], [-80.0, -1e5, -80.0], [5.0, float("-inf"), 5.0]])
    result = exact_losses(logits, torch.tensor([0, 2, 0]))
    expected = torch.tensor([0.0, 0.6931471805599453, 0.6931471805599453], dtype=torch.float64)
    torch.testing.assert_close(result, expected, rtol=0, atol=1e-12)


def test_the_reported_mean_is_exact_and_the_training_loss_is_smoothed() -> None:
    logits, wanted = drawn(49_152)
    exact = F.cross_entropy(logits.double().flatten(0, 1), wanted.flatten())
    assert float(mean_loss(logits, wanted, None)) == pytest.approx(float(exact), abs=1e-6)
    smoothed = F.cross_entropy(logits.flatten(0, 1), wanted.flatten(), label_smoothing=0.1)
    torch.testing.assert_close(mean_loss(logits, wanted, 0.1), smoothed, rtol=0, atol=0)
