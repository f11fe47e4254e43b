"""Import NeuroX's activation files into stores, and export activations to such files.

::

    hdf5.py        the HDF5 format, one dataset per sentence
    jsonlines.py   the JSON format, one line per sentence
    formats.py     chooses one of the two by the file's name
    importing.py   from a file to a store
    exporting.py   from activations to a file

The formats are those of NeuroX 1.0.9 [Dalvi et al. 2023, "NeuroX Library for Neuron Analysis of Deep
NLP Models"].
"""

from __future__ import annotations

from onegrain.formats.neurox.exporting import export_neurox
from onegrain.formats.neurox.importing import import_neurox

__all__ = ["export_neurox", "import_neurox"]
