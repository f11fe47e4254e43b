"""What a ranking by LCA reports while it works, and what Ctrl-C leaves of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np
import pytest

from onegrain.core.progress import Announcing, Progress
from onegrain.errors import RankingInterrupted
from onegrain.rankings import rank
from onegrain.rankings.lca import estimate
from onegrain.rankings.lca.evaluation import OrderingEvaluation
from support.planted import plant

OPTIONS = {"lambda1": (0.0, 1e-3), "lambda2": (1e-3,), "max_steps": 20, "resamples": 10}


class Phases:
    """Keeps the phases, with their units and what was advanced, and the lines that were announced."""

    def __init__(self) -> None:
        self.phases: list[tuple[str, int]] = []
        self.done: list[int] = []
        self.lines: list[str] = []
        self.open = 0

    @contextmanager
    def __call__(self, description: str, total: int, unit: str) -> Iterator[Callable[[int], None]]:
        assert self.open == 0, "a terminal shows one task at a time"
        self.phases.append((description, total))
        self.done.append(0)
        self.open += 1

        def advance(units: int) -> None:
            self.done[-1] += units

        yield advance
        self.open -= 1

    def announce(self, text: str) -> None:
        self.lines.append(text)

    @property
    def names(self) -> list[str]:
        return [name for name, _ in self.phases]


@pytest.mark.parametrize("large", [False, True])
def test_every_phase_has_a_name_and_reports_all_of_its_units(
    large: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if large:
        monkeypatch.setattr("onegrain.rankings.elastic_net.solver.SMALL", 10)
    phases = Phases()
    test = plant(40, seed=1, control=True).activations
    progress: Progress = phases
    rank("lca", plant(120, control=True).activations, label="upos", test=test, progress=progress, **OPTIONS)
    before, after = phases.names[:3], phases.names[3:]
    assert before == ["reading", "grid", "finalists"]
    expected = ["polishing", "reading", "masking", "retraining", "minimal set", "control task"]
    assert [name for name in expected if name in after] == after
    assert {"reading", "control task"} <= set(after)
    assert phases.done == [total for _, total in phases.phases]
    assert phases.lines == []


def test_a_long_ranking_announces_how_long_it_will_take(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(estimate, "SLOW", 1.0)
    monkeypatch.setattr(estimate, "product_speed", lambda device: 1e3)
    phases = Phases()
    assert isinstance(phases, Announcing)
    rank("lca", plant(60).activations, label="upos", evaluate=False, progress=phases, **OPTIONS)
    (line,) = phases.lines
    assert line.startswith("lca will take about ")
    assert "2 pairs of penalties" in line


def test_ctrl_c_during_the_evaluation_hands_over_the_ranking(monkeypatch: pytest.MonkeyPatch) -> None:
    activations = plant(60).activations
    complete = rank("lca", activations, label="upos", **OPTIONS)

    def interrupt(*arguments: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(OrderingEvaluation, "run", interrupt)
    with pytest.raises(KeyboardInterrupt) as stop:
        rank("lca", activations, label="upos", **OPTIONS)
    assert isinstance(stop.value, RankingInterrupted)
    ranking = stop.value.ranking
    np.testing.assert_array_equal(ranking.order, complete.order)
    assert ranking.details["evaluation"] is None
    assert ranking.details == {**complete.details, "evaluation": None}


def test_ctrl_c_before_the_evaluation_hands_over_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*arguments: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("onegrain.rankings.lca.method.search", interrupt)
    with pytest.raises(KeyboardInterrupt) as stop:
        rank("lca", plant(60).activations, label="upos", **OPTIONS)
    assert not isinstance(stop.value, RankingInterrupted)
