"""Section on specificity: do the neurons of a label matter to the words of that label most?"""

from __future__ import annotations

from collections.abc import Mapping

from onegrain.core.bootstrap import SIGNIFICANT
from onegrain.records.specificity import Specificity
from onegrain.reports.blocks import Block, Chart, Fold, Section, Table, Text, slug
from onegrain.reports.charts.registry import draw
from onegrain.reports.rendering.numbers import bracketed, listed, number, percent

__all__ = ["specificity_section"]

SIGNED = "+.3f"


def specificity_section(records: Mapping[str, Specificity]) -> Section:
    """Return the section on whether the neurons of a label are the neurons for it.

    Args:
        records: name -> specificity.
    """
    blocks: list[Block] = []
    for name, record in records.items():
        chart = Chart(draw(Specificity, "damage", record), slug(f"specificity-{name}"))
        blocks += [Text((), heading=name), chart, _contrasts(record)]
        blocks.append(Fold(f"{name}: every pair of labels", [_cells(record)]))
    title = "Are the neurons of a label the neurons for that label?"
    return Section(title, blocks, "specificity", tuple(_finding(*item) for item in records.items()))


def _finding(name: str, record: Specificity) -> str:
    """Return what the contrast of own and other words says, as a short paragraph."""
    overall = record.overall
    interval = bracketed(overall["low"], overall["high"], SIGNED)
    if overall["low"] > 0:
        verdict = "editing a label's neurons hurts its own words more than those of other labels"
    elif overall["high"] < 0:
        verdict = "editing a label's neurons hurts its own words less than those of other labels"
    else:
        verdict = "editing a label's neurons does not hurt its own words more than others beyond doubt"
    rows = record.contrasts
    own = rows[(rows["q"] <= SIGNIFICANT) & (rows["contrast"] > 0)].sort_values("contrast", ascending=False)
    which = f": {listed(own['label'].tolist())}" if len(own) else ""
    return (
        f"{name}: {verdict}: the difference is {number(overall['contrast'], SIGNED)} nats per word on average "
        f"over the labels ({percent(record.level, 0)} interval {interval}), beyond random neurons. "
        f"{len(own)} of {len(rows)} labels hurt their own words more at a false discovery rate of "
        f"{percent(SIGNIFICANT, 0)}{which}.{_unranked(record)}"
    )


def _unranked(record: Specificity) -> str:
    """Return a caution about labels for which the ranking ranks fewer neurons than were edited."""
    short = [label for label, ranked in record.details["ranked"].items() if ranked < record.k]
    if not short:
        return ""
    return (
        f" For {listed(short)} the ranking ranks fewer than {number(record.k)} neurons, so some that were "
        "edited have no score."
    )


def _contrasts(record: Specificity) -> Table:
    between = [
        bracketed(low, high, SIGNED)
        for low, high in zip(record.contrasts["low"], record.contrasts["high"], strict=True)
    ]
    interval = f"{percent(record.level, 0)} interval"
    frame = record.contrasts.drop(columns=["low", "high"]).assign(**{interval: between})
    caption = (
        f"Rise of the loss, nats per word, with the first {number(record.k)} neurons of each label edited "
        f"({record.edit}), less the mean rise over {number(record.details['random_orders'])} random sets with "
        "as many neurons of each site. Intervals over sentences and one more random set; q is corrected over "
        "the labels."
    )
    return Table(
        frame[["label", "same", "other", "contrast", interval, "q"]],
        caption,
        {"same": SIGNED, "other": SIGNED, "contrast": SIGNED, "q": ".2g"},
        {"same": "on its own words", "other": "on other words", "contrast": "difference"},
    )


def _cells(record: Specificity) -> Table:
    numbers = dict.fromkeys(("damage", "random", "excess", "excess_low", "excess_high"), SIGNED)
    columns = [
        "edited",
        "predicted",
        "words",
        "intact",
        "damage",
        "random",
        "excess",
        "excess_low",
        "excess_high",
    ]
    return Table(
        record.cells[[*columns, "q"]],
        "Loss of the intact model and its rise, nats per word; excess is the damage less that of random "
        "neurons, and q is corrected over all pairs.",
        {**numbers, "words": ",d", "intact": ".3f", "q": ".2g"},
        {
            "edited": "neurons of",
            "predicted": "words",
            "words": "number",
            "excess_low": "low",
            "excess_high": "high",
        },
    )
