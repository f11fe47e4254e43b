"""A sweep on Ray workers has the points of a sweep in this process, also if a worker dies."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import onegrain as og
from onegrain.engines import engine_named
from onegrain.interventions import sweep
from support.rankings import shuffled
from support.tiny import plain_corpus, tiny_nlm

pytest.importorskip("ray", reason="Ray is not installed: pip install 'onegrain[ray]'")
pytestmark = [pytest.mark.usefixtures("two_cpus_of_ray"), pytest.mark.slow]


@dataclass(frozen=True)
class Deadly:
    """A ray engine whose first worker dies once, after it has done its first item."""

    folder: Path

    def stream(
        self, start: Callable[[], Any], items: Sequence[Any], advance: Callable[[int], None]
    ) -> Generator[Any, None, None]:
        folder = self.folder

        def deadly() -> Any:
            work = start()

            def done(item: Any, advance: Callable[[int], None]) -> Any:
                result = work(item, advance)
                try:
                    (folder / "died").touch(exist_ok=False)
                except FileExistsError:
                    return result
                os.kill(os.getpid(), signal.SIGKILL)
                return None

            return done

        return engine_named("ray", workers=2).stream(deadly, items, advance)


def test_workers_give_the_same_points(tmp_path: Path) -> None:
    model = og.load_model(tiny_nlm(tmp_path / "nlm"), device="cpu")
    rankings = {name: shuffled(model.space(), seed) for seed, name in enumerate("ab")}
    metric, acts = og.Perplexity(plain_corpus()), og.live_activations(model, plain_corpus())
    options: dict[str, Any] = {"counts": [5, 20], "random_orders": 2, "reference": acts}
    expected = sweep(model, rankings, metric, ["zero", "mean"], **options)
    for engine in (Deadly(tmp_path), "ray"):
        record = sweep(model, rankings, metric, ["zero", "mean"], engine=engine, **options)
        np.testing.assert_allclose(record.points["value"], expected.points["value"], rtol=1e-6)
        np.testing.assert_allclose(record.draws, expected.draws, rtol=1e-6)
    assert (tmp_path / "died").exists()
