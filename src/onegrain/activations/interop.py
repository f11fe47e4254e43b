"""Convert activations to the arrays of other libraries.

For numpy arrays, use ``Activations.values`` and ``Activations.take``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from onegrain.errors import MissingExtraError
from onegrain.records.activations import Activations

if TYPE_CHECKING:
    import torch
    import xarray

__all__ = ["to_torch", "to_xarray"]


def to_torch(activations: Activations, start: int = 0, stop: int | None = None) -> torch.Tensor:
    """Return the words ``start:stop`` (all by default) as a float32 tensor (words, neurons) on the CPU."""
    import torch

    return torch.from_numpy(activations.values(start, stop))


def to_xarray(activations: Activations) -> xarray.DataArray:
    """Return a float32 ``DataArray`` with dimensions ``word`` and ``neuron`` that reads values when sliced.

    The coordinates of ``word`` are ``text``, ``sentence`` and each label layer (an empty string for a word
    without a label). Those of ``neuron`` are ``neuron`` (``site:unit``), ``site`` and ``unit``.

    Raises:
        MissingExtraError: xarray is not installed.
    """
    try:
        import xarray
        from xarray.core import indexing
    except ImportError as error:
        raise MissingExtraError("to_xarray needs xarray: pip install 'onegrain[xarray]'") from error
    corpus = activations.corpus
    sites, units = activations.space.columns()
    coordinates: dict[str, Any] = {
        "text": ("word", np.array([_unicode(word) for word in corpus.words], dtype=object)),
        "sentence": ("word", corpus.sentence_of_word),
        "neuron": ("neuron", np.array([f"{site}:{unit}" for site, unit in zip(sites, units, strict=True)])),
        "site": ("neuron", np.array(sites)),
        "unit": ("neuron", units),
    }
    for name, layer in sorted(corpus.layers.items()):
        coordinates[name] = ("word", np.array([*layer.vocabulary, ""], dtype=object)[layer.codes])

    class Values(xarray.backends.BackendArray):
        """A lazy array that reads the words and neurons that xarray asks for."""

        shape = (activations.n_words, activations.n_neurons)
        dtype = np.dtype(np.float32)

        def __getitem__(self, key: Any) -> Any:
            return indexing.explicit_indexing_adapter(key, self.shape, indexing.IndexingSupport.OUTER, _outer)

    def _outer(key: tuple[Any, ...]) -> np.ndarray:
        picked = [
            np.arange(size)[np.atleast_1d(index) if not isinstance(index, slice) else index]
            for index, size in zip(key, Values.shape, strict=True)
        ]
        block = activations.take(picked[0], picked[1])
        scalar = tuple(
            0 if np.ndim(index) == 0 and not isinstance(index, slice) else slice(None) for index in key
        )
        return block[scalar]

    variable = xarray.Variable(("word", "neuron"), indexing.LazilyIndexedArray(Values()))
    return xarray.DataArray(
        variable, coords=coordinates, name="activations", attrs={"of": activations.describe()}
    )


def _unicode(word: str) -> str:
    """Return the word with each lone surrogate, which is not a Unicode character, written as an escape."""
    return word.encode("utf-8", "backslashreplace").decode("utf-8")
