"""Losses from a pass that ends before the output projection are those of the whole pass."""

from __future__ import annotations

from functools import wraps
from typing import Any
from weakref import WeakKeyDictionary

import pytest
import torch

from onegrain.models import LoadedModel, predicting
from onegrain.models.losses import IGNORED, exact_losses
from onegrain.models.predicting import predict, predicts_in_blocks
from support.tiny import plain_corpus
from support.zoo import Zoo


@pytest.fixture(params=["nlm", "gpt2", "llama"])
def loaded(request: pytest.FixtureRequest, models: dict[str, LoadedModel], zoo: Zoo) -> LoadedModel:
    return models[request.param] if request.param in models else zoo[request.param]


def rows_of(loaded: LoadedModel) -> tuple[list[list[int]], list[list[int]]]:
    """Return rows of different lengths, and labels of which some are not predicted."""
    rows = [encoded.ids for encoded in loaded.encode(list(plain_corpus().sentences())[:5])]
    return rows, [[IGNORED if place % 3 == 2 else subword for place, subword in enumerate(row)] for row in rows]


def losses_of_logits(loaded: LoadedModel) -> torch.Tensor:
    """Return the losses of the logits of all positions."""
    rows, labels = rows_of(loaded)
    width = max(map(len, labels))
    wanted = torch.tensor([label + [IGNORED] * (width - len(label)) for label in labels])[:, 1:]
    return exact_losses(loaded.forward(rows).logits[:, :-1], wanted)


@torch.no_grad()
@pytest.mark.parametrize("positions", [3, 1000])
def test_losses_are_those_of_all_logits(
    loaded: LoadedModel, positions: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(predicting, "LEAST_POSITIONS", positions)
    monkeypatch.setattr(predicting, "LOGITS_AT_ONCE", 1)
    predictions, wanted = predict(loaded, *rows_of(loaded))
    assert predictions.head is loaded.model.get_output_embeddings()
    assert "forward" not in vars(predictions.head)
    torch.testing.assert_close(predictions.losses(wanted), losses_of_logits(loaded), rtol=1e-6, atol=1e-6)
    assert predicts_in_blocks(loaded)


@torch.no_grad()
def test_only_predicted_positions_are_projected(loaded: LoadedModel, monkeypatch: pytest.MonkeyPatch) -> None:
    positions: list[int] = []
    project = predicting.F.linear

    def counting(values: torch.Tensor, *arguments: Any) -> torch.Tensor:
        positions.append(len(values))
        return project(values, *arguments)

    predictions, wanted = predict(loaded, *rows_of(loaded))
    monkeypatch.setattr(predicting.F, "linear", counting)
    predictions.losses(wanted)
    assert sum(positions) == int((wanted != IGNORED).sum())


@torch.no_grad()
def test_logits_that_the_model_changes_are_taken_from_the_whole_pass(
    loaded: LoadedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(predicting, "_keeps_logits", WeakKeyDictionary())
    forward = type(loaded.model).forward

    @wraps(forward)
    def scaled(*arguments: Any, **named: Any) -> Any:
        output = forward(*arguments, **named)
        output.logits = output.logits * 0.5
        return output

    monkeypatch.setattr(type(loaded.model), "forward", scaled)
    for _ in range(2):
        predictions, wanted = predict(loaded, *rows_of(loaded))
        assert predictions.head is None
        torch.testing.assert_close(predictions.losses(wanted), losses_of_logits(loaded))
        assert not predicts_in_blocks(loaded)


def test_a_projection_that_is_edited_or_differentiated_runs_whole(loaded: LoadedModel) -> None:
    assert not predicts_in_blocks(loaded)
    with torch.no_grad():
        assert predicts_in_blocks(loaded)
        handle = loaded.model.get_output_embeddings().register_forward_hook(lambda *_: None)
        try:
            assert not predicts_in_blocks(loaded)
            assert predict(loaded, *rows_of(loaded))[0].head is None
        finally:
            handle.remove()


@torch.no_grad()
def test_a_pass_inside_the_pass_is_not_taken_for_it(loaded: LoadedModel) -> None:
    """An edit such as ``interchange`` reads its paired sentences while the model runs."""
    nested: list[int] = []

    def run_again(*_: Any) -> None:
        if not nested:
            nested.append(1)
            loaded.forward([[5, 6, 7]])

    handle = loaded.model.get_input_embeddings().register_forward_hook(run_again)
    try:
        predictions, wanted = predict(loaded, *rows_of(loaded))
    finally:
        handle.remove()
    assert nested
    assert predictions.head is loaded.model.get_output_embeddings()
    torch.testing.assert_close(predictions.losses(wanted), losses_of_logits(loaded), rtol=1e-6, atol=1e-6)
    assert predicts_in_blocks(loaded)


@torch.no_grad()
@pytest.mark.parametrize(("name", "keeps"), [("gemma2", False), ("llama", True)])
def test_the_first_pass_of_a_model_is_recorded_once(
    zoo: Zoo, name: str, keeps: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whether a model changes its logits, as Gemma 2 does, is asked in a pass that nothing records."""
    monkeypatch.setattr(predicting, "_keeps_logits", WeakKeyDictionary())
    loaded = zoo[name]
    passes: list[torch.Tensor] = []
    handle = loaded.model.get_input_embeddings().register_forward_hook(
        lambda *values: passes.append(values[-1])
    )
    try:
        predictions, wanted = predict(loaded, *rows_of(loaded))
    finally:
        handle.remove()
    assert len(passes) == 1
    assert (predictions.head is not None) is keeps
    torch.testing.assert_close(predictions.losses(wanted), losses_of_logits(loaded), rtol=1e-6, atol=1e-6)
