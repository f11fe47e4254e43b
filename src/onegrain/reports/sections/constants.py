"""Section on optimal constants: how much of an edit's damage is that of the value it puts in?"""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from onegrain.records.statistics import NeuronStatistics
from onegrain.reports.blocks import Block, Chart, Section, Table, Text, slug
from onegrain.reports.charts.registry import draw
from onegrain.reports.rendering.numbers import number, percent

__all__ = ["constants_section"]

NAMES = {"zero": "zero", "mean": "their means", "optimal": "the constants that cost least"}


def constants_section(records: Mapping[str, NeuronStatistics]) -> Section:
    """Return the section on what the choice of a constant costs.

    Args:
        records: name -> statistics with the column ``optimal``.
    """
    blocks: list[Block] = []
    for name, record in records.items():
        chart = Chart(draw(NeuronStatistics, "constants", record), slug(f"constants-{name}"))
        blocks += [Text((), heading=name), _table(record), chart]
    title = "How much does the value matter that neurons are set to?"
    return Section(title, blocks, "constants", tuple(_finding(*item) for item in records.items()))


def _count(record: NeuronStatistics) -> int:
    return int((~pd.isna(record.column("optimal"))).sum())


def _finding(name: str, record: NeuronStatistics) -> str:
    losses = record.details["losses"]
    rises = {kind: losses[kind] - losses["intact"] for kind in NAMES}
    text = (
        f"{name}: set to zero together, {number(_count(record))} neurons change the loss by "
        f"{number(rises['zero'], '+.4f')} nats per subword, set to their means by "
        f"{number(rises['mean'], '+.4f')}, and set to the constants that cost least by "
        f"{number(rises['optimal'], '+.4f')}."
    )
    if rises["zero"] > 0 and rises["optimal"] < rises["zero"]:
        share = min(1.0, (rises["zero"] - rises["optimal"]) / rises["zero"])
        text += f" So {percent(share, 0)} of what zero does is done by the value zero, not by what is missing."
    if rises["optimal"] < 0:
        text += (
            " With these constants the model loses less on the reference corpus than untouched: they also fit "
            "the model to this text."
        )
    if not record.details["converged"]:
        text += " The search for the constants ended at its limit of steps, so others may cost still less."
    return text


def _table(record: NeuronStatistics) -> Table:
    losses = record.details["losses"]
    rows = [("untouched", losses["intact"], 0.0)]
    rows += [(f"set to {text}", losses[kind], losses[kind] - losses["intact"]) for kind, text in NAMES.items()]
    caption = (
        f"Loss of the model on the reference corpus, nats per subword, with {number(_count(record))} neurons "
        f"edited together (optimal ablation, Li and Janson 2024); "
        f"{number(record.details['steps'])} steps of L-BFGS."
    )
    frame = pd.DataFrame(rows, columns=["neurons", "loss", "rise"])
    return Table(frame, caption, {"loss": ".4f", "rise": "+.4f"})
