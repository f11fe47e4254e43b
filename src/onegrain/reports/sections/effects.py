"""Section on direct and total effects: do the layers above an edit repair what it does?"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from onegrain.records.effects import ALL, PARTS, Effects
from onegrain.reports.blocks import Block, Chart, Section, Table, Text, slug
from onegrain.reports.charts.registry import draw
from onegrain.reports.rendering.numbers import bracketed, number, percent

__all__ = ["effects_section"]

SIGNED = "+.4f"


def effects_section(records: Mapping[str, Effects]) -> Section:
    """Return the section on what edits do directly, and what the layers above add or repair.

    Args:
        records: name -> effects.
    """
    blocks: list[Block] = []
    for name, record in records.items():
        chart = Chart(draw(Effects, "effects", record), slug(f"effects-{name}"))
        blocks += [Text((), heading=name), chart, _table(record)]
    title = "Do the layers above repair what an edit does?"
    return Section(title, blocks, "effects", tuple(_finding(*item) for item in records.items()))


def _finding(name: str, record: Effects) -> str:
    """Return what the direct path carries, and what the layers above make of it."""
    top, gap = record.at(), record.at("difference")
    against = (
        "more" if gap["mediated_low"] > 0 else "less" if gap["mediated_high"] < 0 else "not surely more or less"
    )
    return (
        f"{name}: editing the first {number(record.k)} neurons ({record.edit}) changes the loss by "
        f"{number(top['total'], SIGNED)} nats per subword; by the direct path alone it would be "
        f"{number(top['direct'], SIGNED)}. {_role(top)} (mediated {number(top['mediated'], SIGNED)}, "
        f"{percent(record.level, 0)} interval {bracketed(top['mediated_low'], top['mediated_high'], SIGNED)}). "
        f"That is {against} than for random neurons of the same sites."
    )


def _role(row: Mapping[str, Any]) -> str:
    """Return what the layers above do, as the beginning of a sentence."""
    if row["mediated_low"] > 0:
        return "The layers above add to the damage"
    if row["mediated_high"] >= 0:
        return "The layers above neither add to it nor repair it beyond doubt"
    if row["direct"] <= 0:
        return "The layers above lower the loss further"
    share = min(1.0, -row["mediated"] / row["direct"])
    return f"The layers above repair {percent(share, 0)} of the direct damage"


def _table(record: Effects) -> Table:
    rows = record.table.copy()
    rows["site"] = rows["site"].replace({ALL: "all sites"})
    for part in PARTS:
        bounds = zip(rows[part], rows[f"{part}_low"], rows[f"{part}_high"], strict=True)
        rows[part] = [f"{number(value, SIGNED)} {bracketed(low, high, SIGNED)}" for value, low, high in bounds]
    caption = (
        f"Rise of the loss, nats per predicted subword, above {number(record.intact, '.3f')} of the untouched "
        f"model; random is the mean over {number(record.details['random_orders'])} sets with as many neurons "
        f"of each site. Direct: attention and MLP of every block give what they gave in the untouched run; "
        f"{record.details['convention']}. q is that of no mediated effect, corrected over the sites. In "
        f"brackets: {percent(record.level, 0)} intervals."
    )
    return Table(rows[["site", "line", "neurons", *PARTS, "q"]], caption, {"q": ".2g"}, {})
