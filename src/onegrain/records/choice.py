"""What a record says of the choice of a probe's penalties, in words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = ["describe_choice"]


def describe_choice(choice: Mapping[str, Any] | None) -> str:
    """Return a sentence that says that a choice is not certified, or an empty text where it is.

    Args:
        choice: what a record says of it (``details["choice"]`` of LCA); None where there was none to make.
    """
    if choice is None or choice["certified"]:
        return ""
    solved, others = len(choice["finalists"]), choice["in_reach"]
    return (
        f"the choice is not certified: {solved} pairs of penalties were solved further, and {others} others "
        "could still score higher by more than the standard error; allow more finalists to solve them"
    )
