"""Read and write NeuroX's JSON lines, one object per sentence: ``{"linex_index": 0, "features": [...]}``.

A feature is a token, ``{"token": "dog", "layers": [{"index": 0, "values": [...]}, ...]}``. Values are rounded
to 8 decimals. Only the features are read, in the order of the lines, as NeuroX does.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
from jaxtyping import Float32

from onegrain.errors import RecordError
from onegrain.formats.neurox.contents import Contents, Origin

__all__ = ["is_export", "read_contents", "read_values", "write"]

DECIMALS = 8


def read_contents(path: Path, *, words: bool) -> Contents:
    """Read the shape and the words of a file, for which the complete file is read line by line.

    Raises:
        RecordError: a line has another format, or other layers than the lines before it; the message names the
            file and the line.
    """
    counts, sentences = [], []
    shape: tuple[int, ...] | None = None
    for number, tokens, values in _lines(path):
        counts.append(len(tokens))
        sentences.append(tokens)
        if not tokens:
            continue
        shape = shape or values.shape[1:]
        if values.shape[1:] != shape:
            raise RecordError(
                f"{path}:{number}: {values.shape[1]} layers of {values.shape[2]} neurons, but {shape[0]} of "
                f"{shape[1]} in earlier lines; all sentences must have the same"
            )
    if shape is None or not all(shape):
        raise RecordError(f"{path} holds no activations: no line has a token with values")
    return Contents(np.array(counts, dtype=np.int64), shape[0], shape[1], tuple(sentences) if words else None)


def read_values(path: Path, contents: Contents) -> Iterator[Float32[np.ndarray, "tokens layers width"]]:
    """Yield the values of each sentence; one sentence is in memory at a time."""
    for _, tokens, values in _lines(path):
        yield values.reshape(len(tokens), contents.layers, contents.width)


def write(
    path: Path,
    sentences: Iterable[tuple[tuple[str, ...], Float32[np.ndarray, "tokens layers width"]]],
    origin: Origin,
) -> None:
    """Write the words and values of sentences to a file; the format cannot hold the origin."""
    with path.open("w", encoding="utf-8", newline="\n") as file:
        for number, (words, values) in enumerate(sentences):
            rounded = np.round(values.astype(np.float64), DECIMALS).tolist()
            features = [
                {
                    "token": word,
                    "layers": [{"index": index, "values": layer} for index, layer in enumerate(layers)],
                }
                for word, layers in zip(words, rounded, strict=True)
            ]
            file.write(json.dumps({"linex_index": number, "features": features}) + "\n")


def is_export(path: Path) -> bool:
    """Return True if the first line is one that onegrain may have written; NeuroX writes the same bytes."""
    try:
        with path.open(encoding="utf-8") as file:
            line = json.loads(file.readline())
        return list(line) == ["linex_index", "features"] and bool(_sentence(line["features"])[0])
    except Exception:  # see _lines
        return False


def _lines(path: Path) -> Iterator[tuple[int, tuple[str, ...], np.ndarray]]:
    """Yield the number (from 1), tokens and values, float32 (tokens, layers, width), of each non-blank line."""
    with path.open(encoding="utf-8") as file:
        number = 0
        try:
            for number, line in enumerate(file, start=1):
                if line.strip():
                    yield number, *_sentence(json.loads(line)["features"])
        except Exception as error:  # endless nesting, numbers beyond any float, bytes that are not text
            cause = " ".join(str(error).split())[:200]
            raise RecordError(
                f'{path}:{max(number, 1)}: not a line of NeuroX\'s JSON, {{"features": [{{"token": ..., '
                f'"layers": [{{"values": [...]}}, ...]}}, ...]}}: {type(error).__name__}: {cause}'
            ) from error


def _sentence(features: list[dict]) -> tuple[tuple[str, ...], np.ndarray]:
    tokens = tuple(feature["token"] for feature in features)
    if not all(isinstance(token, str) for token in tokens):
        raise TypeError("a token must be a string")
    values = np.array(
        [[layer["values"] for layer in feature["layers"]] for feature in features], dtype=np.float32
    )
    if tokens and values.ndim != 3:
        raise ValueError("every token must have the same layers, each a list of numbers")
    return tokens, values
