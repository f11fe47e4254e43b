"""The methods that docs/methods.md adds are methods, in the number of lines that other pages promise."""

from __future__ import annotations

import re

import numpy as np
import pytest

import onegrain as og
from onegrain.errors import ParameterError
from onegrain.rankings import registry
from support import ROOT
from support.planted import plant

PAGE = ROOT / "docs" / "methods.md"


def test_the_methods_of_the_page_work(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "METHODS", registry._Methods())
    blocks = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    assert len(blocks) == 2
    assert all(len([line for line in block.splitlines() if line.strip()]) <= 30 for block in blocks)
    names: dict = {}
    for block in blocks:
        exec(compile(block, str(PAGE), "exec"), names)
    planted = plant(60)
    acts = planted.activations
    sizes = np.sort(np.abs(acts.values().astype(np.float64)), axis=0)
    ranking = og.rank("peak", acts, share=0.05)
    moves = sizes.any(axis=0)
    expected = sizes[-round(0.05 * len(sizes)) :].sum(axis=0)[moves] / sizes.sum(axis=0)[moves]
    np.testing.assert_allclose(ranking.scores[moves], expected)
    assert ranking.n_ranked == moves.sum()
    assert ranking.provenance.parameters["share"] == 0.05
    with pytest.raises(ParameterError, match="its parameters are: share"):
        og.rank("peak", acts, shares=0.05)
    together = og.rank_together(["effect-size", "probeless"], acts, label="upos")["effect-size"]
    codes = acts.layer("upos").codes
    neuron = planted.exclusive["NOUN"]
    inside, rest = (acts.neuron(neuron)[codes == 2], acts.neuron(neuron)[codes != 2])
    assert together.labels[2] == "NOUN"
    pooled = (inside.var() * len(inside) + rest.var() * len(rest)) / (len(codes) - 2)
    effect = abs(inside.mean() - rest.mean()) / pooled**0.5
    assert together.label_scores[2, neuron] == pytest.approx(effect, rel=1e-5)
    assert neuron in together.label("NOUN").order[:3]
