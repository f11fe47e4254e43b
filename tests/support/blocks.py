"""Functions that find blocks in the sections of a report."""

from __future__ import annotations

from collections.abc import Sequence

from onegrain.reports import Block, Fold, Table


def tables_in(blocks: Sequence[Block]) -> list[Table]:
    """Return the tables among blocks, those inside folds too."""
    tables = []
    for block in blocks:
        if isinstance(block, Table):
            tables.append(block)
        elif isinstance(block, Fold):
            tables += tables_in(block.blocks)
    return tables
