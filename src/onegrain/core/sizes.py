"""Sizes of memory, as people write and read them."""

from __future__ import annotations

import re

from onegrain.errors import ParameterError

__all__ = ["read_size", "say_size"]

UNITS = {"": 1, "b": 1, **{f"{letter}ib": 2 ** (10 * power) for power, letter in enumerate("kmgt", 1)}}
UNITS |= {f"{letter}b": 10 ** (3 * power) for power, letter in enumerate("kmgt", 1)}


def read_size(text: int | str) -> int:
    """Return a number of bytes, from a number or from text such as ``4GiB`` or ``500 MB``.

    >>> read_size("4GiB"), read_size("1.5 kB"), read_size(100)
    (4294967296, 1500, 100)
    """
    size = re.fullmatch(r"\s*([0-9]*\.?[0-9]+)\s*([a-z]*)\s*", str(text).lower())
    if not size or size[2] not in UNITS or float(size[1]) * UNITS[size[2]] < 1:
        raise ParameterError(f"memory must be a size such as 4GiB or 500MB, got {text!r}")
    return int(float(size[1]) * UNITS[size[2]])


def say_size(size: float) -> str:
    """Return a number of bytes as text with a unit, rounded up.

    >>> say_size(4 * 2**30), say_size(2**20 + 1)
    ('4.0 GiB', '2 MiB')
    """
    if size >= 2**30:
        return f"{-(-size * 10 // 2**30) / 10:.1f} GiB"
    return f"{int(-(-size // 2**20))} MiB"
