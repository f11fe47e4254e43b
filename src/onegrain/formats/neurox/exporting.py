"""Export activations to a NeuroX file."""

from __future__ import annotations

import filecmp
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import NoReturn

import numpy as np
from jaxtyping import Float32

from onegrain.core.output import require_writable_output, whole_file
from onegrain.core.progress import Progress, automatic
from onegrain.errors import AlreadyDoneError, OutputExistsError, ParameterError
from onegrain.formats.neurox.contents import Origin
from onegrain.formats.neurox.formats import WRITABLE, format_of
from onegrain.records.activations import BLOCK_BYTES, Activations

__all__ = ["export_neurox"]


def export_neurox(
    activations: Activations,
    path: str | os.PathLike[str],
    *,
    sites: str | Iterable[str] | None = None,
    force: bool = False,
    progress: Progress = automatic,
    on_repeat: Callable[[], None] | None = None,
) -> Path:
    """Write activations to a NeuroX file, one layer per site in the order of the sites.

    HDF5 files hold float32 values exactly, and also the sites and the provenance, which NeuroX ignores. JSON
    files hold values rounded to 8 decimals. Label layers are not written.

    Args:
        activations: the activations; their words become the tokens.
        path: the file, ``.hdf5`` or ``.json``; it is written completely or not at all.
        sites: glob patterns of site names, by default all sites; their widths must be equal.
        force: replace the file if it exists.
        progress: reports the number of written words.
        on_repeat: called if the same file exists already, so that nothing is written.

    Returns:
        The path of the file. If the same file exists already, it stays as it is.

    Raises:
        ParameterError: the sites have different widths, a sentence has no words, a word contains a space
            (HDF5), a value is not finite, or the file's name has another ending.
        ModelError: a pattern matches no site.
        OutputExistsError: another file exists and ``force`` is not set, or the file is not an export.
        MissingExtraError: the file is HDF5, but h5py is not installed.
        StorageError: the disk is full, read-only or missing.
    """
    out = Path(path)
    form = format_of(out, WRITABLE)
    replacing = force or form.is_export(out)
    require_writable_output(out, force=replacing, ours=form.is_export)
    chosen = activations.restrict(sites)
    if len(set(chosen.space.widths)) > 1:
        raise ParameterError(
            f"the layers of a NeuroX file have equal widths, but the sites are {chosen.space.describe()}; "
            "choose sites of one width, e.g. sites='layers.?' (--sites)"
        )
    empty = np.flatnonzero(np.diff(chosen.corpus.offsets) == 0)
    if empty.size:
        raise ParameterError(
            f"sentence {empty[0]} (counted from 0) of {chosen.corpus.source} has no words, which NeuroX "
            "cannot read; extract from a corpus without it"
        )
    origin = Origin(chosen.space.sites, activations.provenance.model_dump(mode="json"))
    with suppress(AlreadyDoneError):
        with (
            whole_file(out, force=replacing, ours=form.is_export) as partial,
            progress("export", chosen.n_words, "words") as advance,
        ):

            def reporting() -> Iterator[tuple[tuple[str, ...], np.ndarray]]:
                for words, values in _sentences(chosen):
                    yield words, values
                    advance(len(words))

            form.write(partial, reporting(), origin)
            if not force and out.exists():
                _refuse(out, partial)
        return out
    if on_repeat is not None:
        on_repeat()
    return out


def _refuse(out: Path, partial: Path) -> NoReturn:
    """Raise AlreadyDoneError if the existing file equals the new one, and OutputExistsError otherwise."""
    if filecmp.cmp(out, partial, shallow=False):
        raise AlreadyDoneError(f"{out} exists already: the same command has made it, and nothing is left to do")
    raise OutputExistsError(f"{out} exists already; use --force (force=True) to replace it")


def _sentences(
    activations: Activations,
) -> Iterator[tuple[tuple[str, ...], Float32[np.ndarray, "tokens layers width"]]]:
    """Yield the words and values of each sentence; sentences are read in groups of bounded size."""
    corpus, space = activations.corpus, activations.space
    rows = max(1, BLOCK_BYTES // (4 * space.size))
    first = 0
    while first < corpus.n_sentences:
        fitting = int(np.searchsorted(corpus.offsets, corpus.offsets[first] + rows, side="right")) - 1
        last = max(first + 1, min(fitting, corpus.n_sentences))
        start = int(corpus.offsets[first])
        block = activations.values(start, int(corpus.offsets[last]))
        activations.require_finite(block, start)
        layered = block.reshape(len(block), len(space.sites), space.widths[0])
        for number in range(first, last):
            begin, end = (int(offset) - start for offset in corpus.offsets[number : number + 2])
            yield corpus.sentence(number), layered[begin:end]
        first = last
