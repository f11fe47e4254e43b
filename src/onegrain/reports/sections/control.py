"""Section on control: whether setting neurons gives translations the wanted value of a property."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from onegrain.records.control import Control
from onegrain.reports.blocks import Block, Chart, Fold, Section, Table, Text, slug
from onegrain.reports.charts.registry import draw
from onegrain.reports.rendering.numbers import bracketed, number, percent

__all__ = ["control_section"]

FORMATS = {"p": ".3f", "bleu": ".1f", "random_bleu": ".1f"}
HEADINGS = {"bleu": "BLEU elsewhere", "random_bleu": "random BLEU elsewhere"}


def control_section(records: Mapping[str, Control]) -> Section:
    """Return the section on whether these neurons control what is translated.

    Args:
        records: name -> control.
    """
    blocks: list[Block] = []
    for name, control in records.items():
        chart = Chart(draw(Control, "success", control), slug(f"control-{name}"))
        blocks += [Text((), heading=name), chart, _table(control)]
        if examples := _examples(control):
            blocks.append(Fold(f"{name}: examples", [examples]))
    findings = tuple(_finding(name, control) for name, control in records.items())
    return Section("Do these neurons control a property of the translation?", blocks, "control", findings)


def _best(table: pd.DataFrame) -> pd.Series:
    """Return the row of the strength with the most successes."""
    return table.loc[table["success"].idxmax()]


def _finding(name: str, control: Control) -> str:
    table = control.comparison()
    best = _best(table)
    difference = best["difference_low"] > 0 or best["difference_high"] < 0
    unsure = "" if difference else ", which may be chance"
    return (
        f"{name}: setting {_neurons(control)} changes {percent(best['success'])} of "
        f"{int(control.points['cases'].iloc[0])} translations from {control.layer}={control.value} to "
        f"{control.wanted} (beta {best['beta']:g}), and random neurons of the same sites "
        f"{percent(best['random'])}: a difference of {number(100 * best['difference'], '+.1f')} points "
        f"{bracketed(100 * best['difference_low'], 100 * best['difference_high'], '+.1f')}{unsure}. The rest "
        f"of the translation keeps a BLEU of {number(best['bleu'], '.1f')} against the unedited one, and "
        f"{number(best['random_bleu'], '.1f')} with random neurons."
    )


def _neurons(control: Control) -> str:
    names = control.neurons["top"]
    return f"neuron {names[0]}" if len(names) == 1 else f"the first {len(names)} neurons"


def _table(control: Control) -> Table:
    table = control.comparison()
    rows = pd.DataFrame(
        {
            "setting": [f"beta {beta:g}" for beta in table["beta"]],
            "success": _with_bounds(table, "success", "low", "high"),
            "random": _with_bounds(table, "random", "random_least", "random_most"),
            "difference": _with_bounds(table, "difference", "difference_low", "difference_high"),
            **{name: table[name] for name in ("p", "bleu", "random_bleu")},
        }
    )
    judged = "the right translations" if control.judged == "exact" else "a lexicon of the target language"
    sets = int((control.points["set"] == "random").sum()) // len(control.betas)
    caption = (
        f"Share of {int(control.points['cases'].iloc[0])} translations ({control.n_sentences} sentences) that "
        f"change from {control.value} to {control.wanted}, judged by {judged}: of the top neurons with its 95 "
        f"% interval over sentences, and the mean of {sets} random sets with the least and the most of them. "
        "p is the chance that a random set is as good as the top one. BLEU compares the words that do not "
        "express the property with the unedited translation; 100 means that nothing else changed."
    )
    return Table(rows, caption, FORMATS, HEADINGS)


def _with_bounds(table: pd.DataFrame, value: str, low: str, high: str) -> list[str]:
    """Return percentages with their bounds in brackets."""
    return [
        f"{percent(row[value])} {bracketed(100 * row[low], 100 * row[high], '.1f')}"
        for _, row in table.iterrows()
    ]


def _examples(control: Control) -> Table | None:
    """Return the first translations before and after, at the strength with the most successes."""
    best = float(_best(control.comparison())["beta"])
    examples = control.details.get("examples", {}).get(f"{best:g}", [])
    if not examples:
        return None
    frame = pd.DataFrame(examples)[["source", "before", "after", "wanted"]]
    return Table(frame, f"Translations at beta {best:g}.", {}, {"wanted": f"shows {control.wanted}"})
