"""From activations to a file of NeuroX."""

from __future__ import annotations

import filecmp
import os
from collections.abc import Iterable, Iterator
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
) -> Path:
    """Write activations as a file of NeuroX: a layer a site, in their order.

    HDF5 keeps float32 to the bit, and carries the sites and the provenance beside what NeuroX reads; JSON lines
    keep 8 decimals. Label layers are not written.

    Args:
        activations: with the words that the tokens become.
        path: the file, ``.hdf5`` or ``.json``; it is there whole or not at all.
        sites: glob patterns of site names, by default all; they must be equally wide.
        force: replace the file if it is there already.
        progress: told how many words are done.

    Returns:
        The path that was written.

    Raises:
        ParameterError: sites of different widths, a sentence without words, a word with a space (HDF5), a value
            that is not finite, or another ending of the name.
        ModelError: a pattern that matches no site.
        AlreadyDoneError: the same file is there already and ``force`` is not set.
        OutputExistsError: another file is there and ``force`` is not set, or even then one that is no export.
        MissingExtraError: an HDF5 file, but h5py is not installed.
        StorageError: the disk is full, read-only or gone.
    """
    out = Path(path)
    form = format_of(out, WRITABLE)
    replacing = force or form.is_export(out)
    require_writable_output(out, force=replacing, ours=form.is_export)
    chosen = activations.restrict(sites)
    if len(set(chosen.space.widths)) > 1:
        raise ParameterError(
            f"the layers of a NeuroX file are equally wide, but the sites are {chosen.space.describe()}; "
            "choose sites of one width, e.g. sites='layers.?' (--sites)"
        )
    empty = np.flatnonzero(np.diff(chosen.corpus.offsets) == 0)
    if empty.size:
        raise ParameterError(
            f"sentence {empty[0]} (counted from 0) of {chosen.corpus.source} has no words, and NeuroX reads no "
            "such sentence; extract from a corpus without it"
        )
    origin = Origin(chosen.space.sites, activations.provenance.model_dump(mode="json"))
    with (
        whole_file(out, force=replacing, ours=form.is_export) as partial,
        progress("export", chosen.n_words, "words") as advance,
    ):

        def told() -> Iterator[tuple[tuple[str, ...], np.ndarray]]:
            for words, values in _sentences(chosen):
                yield words, values
                advance(len(words))

        form.write(partial, told(), origin)
        if not force and out.exists():
            _refuse(out, partial)
    return out


def _refuse(out: Path, partial: Path) -> NoReturn:
    """Raise the error that says whether the file that is there is the one that was to be written."""
    if filecmp.cmp(out, partial, shallow=False):
        raise AlreadyDoneError(f"{out} exists already: the same command has made it, and nothing is left to do")
    raise OutputExistsError(f"{out} exists already; use --force (force=True) to replace it")


def _sentences(
    activations: Activations,
) -> Iterator[tuple[tuple[str, ...], Float32[np.ndarray, "tokens layers width"]]]:
    """The words and values of every sentence; many whole sentences are read at once, in bounded memory."""
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
            begin, end = (int(corpus.offsets[at]) - start for at in (number, number + 1))
            yield corpus.sentence(number), layered[begin:end]
        first = last
