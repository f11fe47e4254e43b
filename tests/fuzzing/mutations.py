"""Damage to bytes and to JSON values, drawn from a seeded generator."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Callable, Sequence
from copy import deepcopy
from typing import Any

__all__ = ["change_json", "damage"]

NUMBERS = [
    b"-1",
    b"0",
    b"1e999",
    b"NaN",
    b"9" * 40,
    b"9" * 5000,
    b"1.5",
    b"4294967296",
    b"-0",
    b"0x10",
    b"Infinity",
]
TOKENS = [
    *(b"null", b"true", b'"x"', b"[]", b"{}", b'"\\ud800"', b"\xef\xbb\xbf", b"\0", b"\xe9", b"\x1b[2J", b"\r"),
    *(
        "\u2028".encode(),
        "\u202e".encode(),
        b"_",
        b"#",
        b"\t",
        b"\n\n",
        b'"',
        b",",
        b"=",
        b"../..",
        b"%",
        b"[[" * 9,
    ),
]
VALUES: list[Any] = [
    *(None, True, False, 0, -1, 7, 2**31, 2**63, 10**30, 1.5, -0.0, 1e308, float("nan"), float("inf")),
    *(
        "",
        "x",
        "\x00",
        "\x1b[2J",
        "../../x",
        "float99",
        "9" * 5000,
        [],
        {},
        [1],
        ["a"],
        [[]],
        {"a": 1},
        [None, 2],
    ),
]
BYTES_OF_DEPTH = 3000


def damage(data: bytes, others: Sequence[bytes], rng: random.Random) -> bytes:
    """Return the data after one to three damages; ``others`` are what may be spliced in."""
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        data = rng.choice(DAMAGES)(data, others, rng)
    return data


def change_json(text: str, rng: random.Random) -> str:
    """Return a JSON text in which one to three values have another type or size, or names are lost or new."""
    value = json.loads(text)
    for _ in range(rng.choice((1, 1, 2, 3))):
        value = _changed(value, rng)
    return json.dumps(value)


def _changed(value: Any, rng: random.Random) -> Any:
    holders = [(holder, key) for holder, key in _places(value)]
    if not holders:
        return deepcopy(rng.choice(VALUES))
    holder, key = rng.choice(holders)
    kind = rng.randrange(6)
    if kind == 0:
        del holder[key]
    elif kind == 1 and isinstance(holder, dict):
        holder[rng.choice(("x", "", str(key) + "x", "words", "\x00"))] = holder.pop(key)
    elif kind == 2:
        _, other = rng.choice(holders)
        holder[key] = other
    elif kind == 3 and isinstance(holder[key], list):
        holder[key] = holder[key] * rng.choice((0, 2, 3))
    elif kind == 4:
        nested: Any = holder[key]
        for _ in range(rng.choice((1, 5, 200))):
            nested = [nested]
        holder[key] = nested
    else:
        holder[key] = deepcopy(rng.choice(VALUES))  # a later change may be inside it
    return value


def _places(value: Any) -> list[tuple[Any, Any]]:
    places: list[tuple[Any, Any]] = []
    queue = [value]
    while queue and len(places) < 3000:
        holder = queue.pop()
        items = (
            holder.items()
            if isinstance(holder, dict)
            else enumerate(holder)
            if isinstance(holder, list)
            else ()
        )
        for key, item in items:
            places.append((holder, key))
            if isinstance(item, dict | list):
                queue.append(item)
    return places


def _span(data: bytes, rng: random.Random, longest: int = 200) -> tuple[int, int]:
    start = rng.randrange(len(data) + 1)
    return start, min(len(data), start + rng.randrange(longest))


def _flip(data: bytes, others: Sequence[bytes], rng: random.Random) -> bytes:
    changed = bytearray(data)
    for _ in range(rng.choice((1, 1, 2, 16))):
        if changed:
            changed[rng.randrange(len(changed))] ^= 1 << rng.randrange(8)
    return bytes(changed)


def _cut(data: bytes, others: Sequence[bytes], rng: random.Random) -> bytes:
    return data[: rng.randrange(len(data) + 1)]


def _lose(data: bytes, others: Sequence[bytes], rng: random.Random) -> bytes:
    start, stop = _span(data, rng)
    return data[:start] + data[stop:]


def _noise(data: bytes, others: Sequence[bytes], rng: random.Random) -> bytes:
    start, stop = _span(data, rng, 16)
    return data[:start] + rng.randbytes(rng.randrange(32)) + data[stop:]


def _splice(data: bytes, others: Sequence[bytes], rng: random.Random) -> bytes:
    other = rng.choice(list(others) or [data])
    start, stop = _span(other, rng, max(2, len(other)))
    place, end = _span(data, rng)
    return data[:place] + other[start:stop] + data[end:]


def _repeat(data: bytes, others: Sequence[bytes], rng: random.Random) -> bytes:
    start, stop = _span(data, rng)
    return data[:start] + data[start:stop] * rng.choice((2, 3, 50)) + data[stop:]


def _number(data: bytes, others: Sequence[bytes], rng: random.Random) -> bytes:
    places = list(re.finditer(rb"\d+(?:\.\d+)?", data[:100_000]))
    if not places:
        return data
    place = rng.choice(places)
    return data[: place.start()] + rng.choice(NUMBERS) + data[place.end() :]


def _token(data: bytes, others: Sequence[bytes], rng: random.Random) -> bytes:
    places = list(re.finditer(rb"[\w.]+|\"[^\"\n]*\"|[\t=,:|]", data[:100_000]))
    if not places:
        return rng.choice(TOKENS)
    place = rng.choice(places)
    return data[: place.start()] + rng.choice(TOKENS) + data[place.end() :]


def _line(data: bytes, others: Sequence[bytes], rng: random.Random) -> bytes:
    lines = data.split(b"\n")
    number = rng.randrange(len(lines))
    kind = rng.randrange(4)
    if kind == 0:
        del lines[number]
    elif kind == 1:
        lines.insert(number, lines[rng.randrange(len(lines))])
    elif kind == 2:
        lines[number] = lines[number].rpartition(rng.choice((b"\t", b" ", b",")))[0]
    else:
        rng.shuffle(lines)
    return b"\n".join(lines)


def _encode(data: bytes, others: Sequence[bytes], rng: random.Random) -> bytes:
    text = data.decode("utf-8", "replace")
    encoding = rng.choice(("utf-16", "utf-8-sig", "latin-1", "utf-32", "cp500"))
    if rng.random() < 0.3:
        return data.replace(b"\n", rng.choice((b"\r\n", b"\r", b"\r\r\n", b"\0", "\u2028".encode(), b"\x0b")))
    return text.encode(encoding, "replace")


def _deepen(data: bytes, others: Sequence[bytes], rng: random.Random) -> bytes:
    start, _ = _span(data, rng)
    opening = rng.choice((b"[", b'{"a":', b"(", b"a = {", b"[["))
    return data[:start] + opening * BYTES_OF_DEPTH + data[start:]


Damage = Callable[[bytes, Sequence[bytes], random.Random], bytes]
DAMAGES: tuple[Damage, ...] = (
    *(_flip, _flip, _cut, _lose, _noise, _splice, _repeat, _number, _number, _token, _token, _token),
    *(_line, _line, _encode, _deepen),
)
