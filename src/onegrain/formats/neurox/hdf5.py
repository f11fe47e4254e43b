"""Read and write NeuroX's HDF5 files, which hold one dataset per sentence and one for the sentences' texts.

::

    0, 1, ...           float32 (layers, tokens, width)
    sentence_to_index   (1,): JSON, maps a sentence's text to the name of its dataset; the text of the n-th
                        equal sentence is followed by `` (Occurrence n)``
    onegrain            (1,): JSON, the origin of the file; only onegrain writes it, and NeuroX ignores it
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float32

from onegrain.errors import MissingExtraError, OnegrainError, ParameterError, RecordError
from onegrain.formats.neurox.contents import Contents, Origin
from onegrain.formats.neurox.heap import require_whole_texts
from onegrain.formats.neurox.sink import Sink
from onegrain.records.provenance import Provenance
from onegrain.records.space import NeuronSpace

__all__ = ["is_export", "read_contents", "read_values", "write"]

TEXTS = "sentence_to_index"
ORIGIN = "onegrain"
REPEATED = re.compile(r" \(Occurrence [0-9]+\)\Z")


def read_contents(path: Path, *, words: bool) -> Contents:
    """Read the shape of a file and, if requested, its words, but no values.

    A sentence's words are its text split at single spaces. If a text ends like that of a repeated sentence, the
    number of tokens decides whether the ending belongs to the words.

    Args:
        path: the file.
        words: True to read the words.

    Raises:
        RecordError: the file is not a NeuroX file, or its texts do not determine the words.
        MissingExtraError: h5py is not installed.
    """
    with _opened(path) as file:
        count = sum(1 for name in file if name not in (TEXTS, ORIGIN))
        shapes = np.array([_shape(path, file, number) for number in range(count)], dtype=np.int64)
        if not count or 0 in shapes[0, [0, 2]]:
            raise RecordError(f"{path} holds no activations: no datasets 0, 1, ..., or no layers in them")
        differing = np.flatnonzero((shapes[:, [0, 2]] != shapes[0, [0, 2]]).any(axis=1))
        if differing.size:
            raise RecordError(
                f"{path}: sentence {differing[0]} (counted from 0) has {shapes[differing[0], 0]} layers of "
                f"{shapes[differing[0], 2]} neurons, but sentence 0 has {shapes[0, 0]} of {shapes[0, 2]}; all "
                "sentences must have the same"
            )
        counts = shapes[:, 1]
        sentences = _sentences(path, file, counts.tolist()) if words else None
        origin = _origin(path, file, int(shapes[0, 0]))
        return Contents(counts, int(shapes[0, 0]), int(shapes[0, 2]), sentences, origin)


def read_values(path: Path, contents: Contents) -> Iterator[Float32[np.ndarray, "tokens layers width"]]:
    """Yield the values of each sentence; one sentence is in memory at a time."""
    with _opened(path) as file:
        for number in range(len(contents.counts)):
            yield np.asarray(file[str(number)][:], dtype=np.float32).transpose(1, 0, 2)


def write(
    path: Path,
    sentences: Iterable[tuple[tuple[str, ...], Float32[np.ndarray, "tokens layers width"]]],
    origin: Origin,
) -> None:
    """Write the words and values of sentences to a file.

    Raises:
        ParameterError: a word contains a space, at which NeuroX would split it.
        OSError: the disk refuses to write.
        MissingExtraError: h5py is not installed.
    """
    h5py = _h5py()
    texts: dict[str, str] = {}
    seen: dict[str, int] = {}
    with closing(Sink(path)) as sink, h5py.File(sink, "w") as file:
        for number, (words, values) in enumerate(sentences):
            _require_no_space(number, words)
            file.create_dataset(str(number), data=values.transpose(1, 0, 2), dtype="float32")
            sink.check()
            texts[_unused(" ".join(words), texts, seen)] = str(number)
        for name, value in ((TEXTS, texts), (ORIGIN, asdict(origin))):
            file.create_dataset(name, (1,), dtype=h5py.string_dtype())[0] = json.dumps(value)
            sink.check()


def is_export(path: Path) -> bool:
    """Return True if a file holds the origin that onegrain writes."""
    try:
        with _opened(path) as file:
            return ORIGIN in file
    except RecordError:
        return False


def _unused(text: str, taken: Mapping[str, str], seen: dict[str, int]) -> str:
    """Return the text, or its first `` (Occurrence n)`` not in ``taken``; ``seen`` holds each text's last n."""
    if text not in taken:
        return text
    seen[text] = seen.get(text, 1) + 1
    while f"{text} (Occurrence {seen[text]})" in taken:
        seen[text] += 1
    return f"{text} (Occurrence {seen[text]})"


def _require_no_space(number: int, words: tuple[str, ...]) -> None:
    for word in words:
        if " " in word:
            raise ParameterError(
                f"sentence {number} (counted from 0) has the word {word!r}, but NeuroX splits words in HDF5 "
                "files at spaces; export to a .json file, or read the corpus with such words split or joined"
            )


def _shape(path: Path, file: Any, number: int) -> tuple[int, ...]:
    """Return the shape of a sentence, (layers, tokens, width)."""
    dataset = file.get(str(number))
    if dataset is None:
        raise RecordError(
            f"{path}: its datasets must be named 0, 1, ... without a gap, but there is no dataset {number}"
        )
    shape, kind = getattr(dataset, "shape", None), getattr(dataset, "dtype", np.dtype(object)).kind
    if shape is None or len(shape) != 3 or kind != "f":
        raise RecordError(
            f"{path}: dataset {number} must hold floats (layers, tokens, width), but it is of kind {kind!r} "
            f"and shape {shape}"
        )
    return tuple(shape)


def _sentences(path: Path, file: Any, counts: list[int]) -> tuple[tuple[str, ...], ...]:
    texts = _json(path, file, TEXTS)
    number_of = {str(number): number for number in range(len(counts))}
    text_of = {number_of[str(name)]: text for text, name in texts.items() if str(name) in number_of}
    missing = [number for number in range(len(counts)) if number not in text_of]
    if missing:
        raise RecordError(
            f"{path}: {TEXTS} has no text for sentence {missing[0]} (counted from 0); give the corpus that the "
            "sentences are from (corpus=, --corpus)"
        )
    return tuple(_words(path, number, text_of[number], count, texts) for number, count in enumerate(counts))


def _words(path: Path, number: int, text: str, count: int, texts: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the words of a sentence, which must be ``count``."""
    original = REPEATED.sub("", text)
    for candidate in (text, original) if original in texts else (text,):
        words = () if candidate == "" and count == 0 else tuple(candidate.split(" "))
        if len(words) == count:
            return words
    raise RecordError(
        f"{path}: sentence {number} (counted from 0) has {count} tokens, but its text has "
        f"{len(text.split(' '))} words between single spaces: {text!r}; give the corpus that the sentences are "
        "from (corpus=, --corpus)"
    )


def _origin(path: Path, file: Any, layers: int) -> Origin | None:
    if ORIGIN not in file:
        return None
    value = _json(path, file, ORIGIN)
    try:
        origin = Origin(tuple(map(str, value["sites"])), dict(value["provenance"]))
        Provenance.model_validate(origin.provenance)
        NeuronSpace(origin.sites, (1,) * layers)
    except (KeyError, TypeError, ValueError, RecursionError) as error:
        raise RecordError(f"{path}: dataset {ORIGIN} is damaged; export the file again") from error
    return origin


def _json(path: Path, file: Any, name: str) -> dict[str, Any]:
    try:
        require_whole_texts(path, file[name])
        value = json.loads(file[name][0])
    except (KeyError, IndexError, TypeError, ValueError, RecursionError) as error:
        raise RecordError(
            f"{path}: dataset {name} does not hold JSON ({error}); is this a NeuroX file?"
        ) from error
    if not isinstance(value, dict):
        raise RecordError(f"{path}: dataset {name} must hold a JSON object, not a {type(value).__name__}")
    return value


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    h5py = _h5py()
    try:
        with h5py.File(path, "r") as file:
            yield file
    except OnegrainError:
        raise
    except Exception as error:  # HDF5 can fail with any error on a damaged file
        cause = " ".join(str(error).split()) or type(error).__name__
        raise RecordError(f"{path} is not an HDF5 file, or is damaged: {cause}") from error


def _h5py() -> Any:
    try:
        import h5py
    except ImportError as error:
        raise MissingExtraError(
            "NeuroX's HDF5 files need h5py; install it with: pip install 'onegrain[neurox]'"
        ) from error
    return h5py
