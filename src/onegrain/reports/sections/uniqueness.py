"""Section on uniqueness: is the property in the first neurons only, or in others as well?"""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from onegrain.records.uniqueness import Uniqueness
from onegrain.reports.blocks import Block, Chart, Fold, Section, Table, Text, slug
from onegrain.reports.charts.registry import draw
from onegrain.reports.rendering.numbers import bracketed, number, percent

__all__ = ["uniqueness_section"]

LISTED = 20


def uniqueness_section(records: Mapping[str, Uniqueness]) -> Section:
    """Return the section on how many sets of neurons serve as well as the first.

    Args:
        records: name -> uniqueness.
    """
    blocks: list[Block] = []
    for name, record in records.items():
        chart = Chart(draw(Uniqueness, "rounds", record), slug(f"uniqueness-{name}"))
        blocks += [Text((), heading=name), chart, Fold(f"{name}: every round", [_table(record)])]
    title = "Are these the only neurons for it?"
    return Section(title, blocks, "uniqueness", tuple(_finding(*item) for item in records.items()))


def _finding(name: str, record: Uniqueness) -> str:
    """Return in how many rounds new neurons sufficed, and what is left after them, as a short paragraph."""
    count, total = record.count, len(record.rounds)
    of_neurons = f"{number(record.k)} neuron{'' if record.k == 1 else 's'}"
    points = number(100 * record.delta)
    limit = f"within {points} point{'' if points == '1' else 's'} of the probe of all neurons"
    chosen = record.details["chosen_k"]
    if count == 0 and chosen:
        verdict = (
            f"no number of first neurons up to {number(record.k)} suffices: a new probe of them is not {limit}"
        )
    elif count == 0:
        verdict = f"the first {of_neurons} do not suffice: a new probe of them is not {limit}"
    elif count == 1 and total > 1:
        verdict = f"the first {of_neurons} suffice ({limit}), and the next do not: {_elsewhere(record)}"
    else:
        sets = "set suffices" if count == 1 else "sets suffice"
        least = "at least " if not record.ended else ""
        verdict = (
            f"{least}{number(count)} {sets}, each of {of_neurons}, one after the other "
            f"({limit}){'' if count == 1 else ': the ranking is one of several that serve as well'}"
        )
    rest = record.rounds.dropna(subset=["rest"])
    left = ""
    if len(rest):
        row = rest.iloc[-1]
        left = (
            f" After {number(int(row['round']))} round{'' if row['round'] == 1 else 's'} a new probe of all "
            f"that is left still has {percent(row['rest'])} (all neurons: "
            f"{percent(record.full['accuracy'])}, commonest label: {percent(record.details['majority'])})."
        )
    random = record.details["random"]
    flattered = " k was chosen on the tested words, which flatters the first round." if chosen and count else ""
    return (
        f"{name}: {verdict}; {number(total)} rounds were made. Probes of as many random neurons have "
        f"{percent(random['accuracy'])} on average.{left}{flattered}"
    )


def _elsewhere(record: Uniqueness) -> str:
    """Return whether the property is also in the neurons that one sufficient round leaves."""
    left = record.rounds["rest"].iloc[0]
    if pd.isna(left):
        return "no other neurons are left"
    if record.full["accuracy"] - left <= record.delta:
        return "but all that is left together does, so the property is not there alone"
    return "not even all that is left does, so the property is there and nowhere else"


def _table(record: Uniqueness) -> Table:
    rows = record.rounds
    interval = f"{percent(record.level, 0)} interval"
    frame = rows[["round", "left", "accuracy"]].assign(
        **{
            interval: _intervals(rows["low"], rows["high"]),
            "loss": rows["loss"],
            "of the loss": _intervals(rows["loss_low"], rows["loss_high"]),
            "within": rows["within"],
            "rest": rows["rest"],
            "neurons": [_named(record, int(number)) for number in rows["round"]],
        }
    )
    caption = (
        f"Each round ranks the neurons that are left by {record.method}, fits a new probe to the first "
        f"{number(record.k)} alone, and takes them away. Loss: accuracy of the probe of all neurons "
        f"({percent(record.full['accuracy'])}) less this one; intervals over sentences, in the same draws."
    )
    return Table(
        frame,
        caption,
        {"left": ",d", "accuracy": ".1%", "loss": "+.1%", "rest": ".1%"},
        {"left": "neurons ranked", "of the loss": "interval of the loss", "rest": "all that is left"},
    )


def _intervals(low: pd.Series, high: pd.Series) -> list[str]:
    return [bracketed(100 * first, 100 * last, ".1f") for first, last in zip(low, high, strict=True)]


def _named(record: Uniqueness, number_of_round: int) -> str:
    names = record.neurons(number_of_round)
    return ", ".join(names[:LISTED]) + (", ..." if len(names) > LISTED else "")
