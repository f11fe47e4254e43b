"""The choice of a probe's penalties, described in a sentence."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = ["describe_choice"]


def describe_choice(choice: Mapping[str, Any] | None) -> str:
    """Return a clause that says that a choice is not certified, or an empty text if it is certified.

    Args:
        choice: the choice in a record (``details["choice"]`` of LCA); None if there was nothing to choose.
    """
    if choice is None or choice["certified"]:
        return ""
    solved, others = len(choice["finalists"]), choice["in_reach"]
    return (
        f"the choice is not certified: {solved} pairs of penalties were solved further, and {others} others "
        "could still score higher by more than the standard error; allow more finalists to solve them"
    )
