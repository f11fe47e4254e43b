"""Each kind of edit on plain tensors, as text and as JSON."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pytest
import torch
from torch import Tensor

from onegrain.errors import ParameterError
from onegrain.interventions import EDITS, NeuronEdit, parse_edit
from onegrain.interventions.edits.registry import edit_from_json
from onegrain.models.passing import Position


@dataclass
class Known:
    """A reference of three neurons with known statistics."""

    units: np.ndarray = field(default_factory=lambda: np.arange(3))

    def statistic(self, name: str, label: str | None = None) -> np.ndarray:
        """Return numbers that tell statistics and labels apart."""
        numbers = {"mean": [1.0, 2.0, 3.0], "deviation": [0.5, 1.0, 2.0], "mode": [9.0, 8.0, 7.0]}
        numbers["optimal"] = [0.1, 0.2, 0.3]
        return np.array(numbers[name]) * {None: 1.0, "A": 10.0, "B": -10.0}[label]

    def samples(self) -> np.ndarray:
        """Return 50 words, each with one number at all neurons."""
        return np.repeat(np.arange(50, dtype=np.float32)[:, None], 3, axis=1)

    def paired(self, sentence: int) -> Tensor:
        """Return four subwords."""
        return sentence * 100.0 + torch.arange(12.0).view(4, 3)


def position(rows: int, time: int, first: int = 0) -> Position:
    real = torch.ones((rows, time), dtype=torch.bool)
    index = torch.arange(first, first + time).expand(rows, time)
    return Position("source", real, index, torch.full((rows,), first + time))


VALUES = torch.tensor([[[-4.0, 0.5, 3.0], [1.0, 2.0, 30.0]]])
EXPECTED = {
    "zero": torch.zeros(1, 2, 3),
    "mean": torch.tensor([1.0, 2.0, 3.0]).expand(1, 2, 3),
    "mean(label=A)": torch.tensor([10.0, 20.0, 30.0]).expand(1, 2, 3),
    "mean(label=A, against=B, beta=0.5)": torch.tensor([20.0, 40.0, 60.0]).expand(1, 2, 3),
    "mode": torch.tensor([9.0, 8.0, 7.0]).expand(1, 2, 3),
    "optimal": torch.tensor([0.1, 0.2, 0.3]).expand(1, 2, 3),
    "clamp(value=3.5)": torch.full((1, 2, 3), 3.5),
    "clamp(deviations=-2)": torch.tensor([0.0, 0.0, -1.0]).expand(1, 2, 3),
    "scale(factor=-2)": VALUES * -2,
    "add(value=1)": VALUES + 1,
    "add(deviations=2)": VALUES + torch.tensor([1.0, 2.0, 4.0]),
}


@pytest.mark.parametrize("text", EXPECTED)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_what_each_edit_makes_of_the_values(text: str, dtype: torch.dtype) -> None:
    values = VALUES.to(dtype)
    before = values.clone()
    changed = parse_edit(text).at(Known())(values, position(1, 2))
    assert changed.dtype == dtype
    torch.testing.assert_close(changed.expand_as(values), EXPECTED[text].to(dtype))
    assert torch.equal(values, before)


def test_zero_is_zero_also_where_the_value_was_not_finite() -> None:
    values = torch.tensor([[torch.nan, torch.inf, 3.0]])
    assert parse_edit("zero").at(Known())(values, None).tolist() == [[0.0, 0.0, 0.0]]


def test_a_range_says_which_values_are_inside() -> None:
    inside = parse_edit("range(edit=zero, low=0.5, high=3)").at(Known()).inside(VALUES)
    assert inside is not None
    assert inside.tolist() == [[[False, True, True], [True, True, False]]]
    labelled = parse_edit("range(edit=zero, label=A, deviations=2)").at(Known()).inside(VALUES)
    assert labelled is not None
    # the means are 10, 20, 30, the deviations 5, 10, 20
    assert labelled.tolist() == [[[False, True, True], [True, True, True]]]
    nested = parse_edit("range(edit=range(edit=zero, low=1), high=2)").at(Known()).inside(VALUES)
    assert nested is not None
    assert nested.tolist() == [[[False, False, False], [True, True, False]]]


def test_project_takes_out_the_direction_between_two_means_and_nothing_else() -> None:
    changed = parse_edit("project(label=A, against=B)").at(Known())(VALUES, None)
    direction = torch.tensor([1.0, 2.0, 3.0]) / 14.0**0.5
    torch.testing.assert_close(changed @ direction, torch.zeros(1, 2), atol=1e-5, rtol=0)
    across = torch.tensor([3.0, 0.0, -1.0])
    torch.testing.assert_close(changed @ across, VALUES @ across)
    with pytest.raises(ParameterError, match="the same mean"):
        parse_edit("project(label=A, against=A)").at(Known())


def test_resample_depends_on_sentence_and_position_only() -> None:
    edit = parse_edit("resample(seed=4)").at(Known())
    together = edit(torch.zeros(5, 7, 3), position(5, 7))
    assert torch.equal(together[..., 0], together[..., 1])
    assert len(together[..., 0].unique()) > 15
    assert torch.equal(edit(torch.zeros(5, 2, 3), position(5, 2, first=5)), together[:, 5:])
    assert torch.equal(edit(torch.zeros(5, 3), position(5, 7).step(6)), together[:, 6])
    other = parse_edit("resample(seed=5)").at(Known())(torch.zeros(5, 7, 3), position(5, 7))
    assert not torch.equal(other, together)


def test_resample_draws_every_word_about_equally_often() -> None:
    drawn = parse_edit("resample").at(Known())(torch.zeros(500, 40, 3), position(500, 40))[..., 0]
    counts = torch.bincount(drawn.long().ravel(), minlength=50)
    # 20,000 draws of 50 words: 400 each, with a standard deviation of 20
    assert 300 < int(counts.min()) <= int(counts.max()) < 500


def test_interchange_needs_to_know_the_sentence() -> None:
    with pytest.raises(ParameterError, match="which sentence"):
        parse_edit("interchange").at(Known())(VALUES, position(1, 2))


@pytest.mark.parametrize("kind", EDITS)
def test_an_edit_is_a_value_that_prints_and_is_saved(kind: str) -> None:
    texts = {
        "clamp": "clamp(deviations=-1.5)",
        "mean": "mean(label='Plur', against='Sing', beta=2.0)",
        "scale": "scale(factor=2)",
        "add": "add(value=1)",
        "range": "range(edit=clamp(value=2), label='NOUN', deviations=2.5)",
        "project": "project(label='past', against='present')",
        "resample": "resample(seed=3)",
    }
    edit = parse_edit(texts.get(kind, kind))
    assert isinstance(edit, EDITS[kind])
    assert parse_edit(str(edit)) == edit
    assert edit_from_json(edit.to_json()) == edit
    assert hash(edit_from_json(edit.to_json())) == hash(edit)
    assert edit.to_json()["kind"] == kind
    assert edit != parse_edit("clamp(value=77)")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("sponge", "no edit 'sponge'; the edits are: zero, mean"),
        ("zero(value=1)", "the edit zero has no parameter value; it takes none"),
        ("scale", "the edit scale needs factor"),
        ("scale(factor=none)", "factor of scale must be a finite number, got 'none'"),
        ("scale(factor=1e999)", "must be a finite number"),
        ("clamp", "clamp needs either value or deviations"),
        ("clamp(value=1, deviations=2)", "clamp needs either value or deviations"),
        ("range(edit=zero)", "either bounds .* or a label"),
        ("range(edit=zero, low=2, high=1)", "the range from 2 to 1 is empty"),
        ("range(edit=3, low=1)", "range needs another edit"),
        ("mean(label=A, beta=1)", "mean takes against and beta together"),
        ("mean(against=A, beta=1)", "mean needs a label that differs from against"),
        ("mean(label=A, against=A, beta=1)", "mean needs a label that differs from against"),
        ("mean(label=A, against=B, beta=1e999)", "beta of mean must be a finite number"),
        ("resample(seed=-1)", "seed must be a whole number from 0"),
        ("__import__('os')", "is not an edit"),
        ("zero()()", "is not an edit"),
        ("3", "'3' is not an edit"),
        ("clamp(value=", "is not an edit"),
        ("(" * 400, "is not an edit"),
    ],
)
def test_what_is_no_edit_is_refused_by_name(text: str, message: str) -> None:
    with pytest.raises(ParameterError, match=message):
        parse_edit(text)


@pytest.mark.parametrize("value", [None, 3, "zero", {}, {"kind": 3}, {"kind": "zero", "x": 1}])
def test_json_that_is_no_edit_is_refused(value: object) -> None:
    with pytest.raises(ParameterError):
        edit_from_json(value)


def test_an_edit_that_is_one_is_returned() -> None:
    edit: NeuronEdit = parse_edit("mean")
    assert parse_edit(edit) is edit
