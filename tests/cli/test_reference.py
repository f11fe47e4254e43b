"""Test that docs/cli.md is what the command line says of itself."""

from __future__ import annotations

from onegrain.cli.reference import reference
from support import ROOT


def test_the_reference_in_docs_is_up_to_date() -> None:
    assert (ROOT / "docs" / "cli.md").read_text() == reference(), (
        "write it again: python -m onegrain.cli.reference > docs/cli.md"
    )
