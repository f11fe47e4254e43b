"""Verbs killed at any file operation end, repeated, at the same bytes and leave nothing beside them."""

from __future__ import annotations

from pathlib import Path

import pytest

from killed import kill_points


@pytest.mark.slow
@pytest.mark.parametrize("verb", ["rank", "ablate"])
def test_a_verb_killed_at_any_file_operation_ends_at_the_same_bytes(tmp_path: Path, verb: str) -> None:
    assert kill_points(Path(__file__).with_name("killed_verbs.py"), tmp_path, "1", verb) >= 10
