"""Activations as the arrays of other libraries. Numpy arrays are what ``values`` and ``take`` give."""

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
    """The words ``start:stop`` (all by default) as a float32 tensor (words, neurons) on the CPU."""
    import torch

    return torch.from_numpy(activations.values(start, stop))


def to_xarray(activations: Activations) -> xarray.DataArray:
    """A float32 ``DataArray`` with dimensions ``word`` and ``neuron``; values are read as it is sliced.

    Coordinates of ``word``: ``text``, ``sentence``, and each label layer (empty where a word has no label);
    of ``neuron``: ``neuron`` (``site:unit``), ``site`` and ``unit``.

    Raises:
        MissingExtraError: xarray is not installed.
    """
    try:
        import xarray
        from xarray.core import indexing
    except ImportError as error:
        raise MissingExtraError("a view in xarray needs it: pip install 'onegrain[xarray]'") from error
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
        """Reads the words and neurons that xarray asks for."""

        shape = (activations.n_words, activations.n_neurons)
        dtype = np.dtype(np.float32)

        def __getitem__(self, key: Any) -> Any:
            return indexing.explicit_indexing_adapter(key, self.shape, indexing.IndexingSupport.OUTER, _outer)

    def _outer(key: tuple[Any, ...]) -> np.ndarray:
        picked = [
            np.arange(size)[np.atleast_1d(one) if not isinstance(one, slice) else one]
            for one, size in zip(key, Values.shape, strict=True)
        ]
        block = activations.take(picked[0], picked[1])
        scalar = tuple(0 if np.ndim(one) == 0 and not isinstance(one, slice) else slice(None) for one in key)
        return block[scalar]

    variable = xarray.Variable(("word", "neuron"), indexing.LazilyIndexedArray(Values()))
    return xarray.DataArray(
        variable, coords=coordinates, name="activations", attrs={"of": activations.describe()}
    )


def _unicode(word: str) -> str:
    """The word with what is no character of Unicode, half a surrogate pair, written as an escape."""
    return word.encode("utf-8", "backslashreplace").decode("utf-8")
