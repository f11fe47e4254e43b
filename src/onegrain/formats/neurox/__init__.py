"""NeuroX's activation files: read into a store, and written from one.

::

    hdf5.py        one dataset a sentence
    jsonlines.py   one line of JSON a sentence
    formats.py     which of the two a file is
    importing.py   a file into a store
    exporting.py   a store into a file

What the files hold are facts about NeuroX 1.0.9 [Dalvi et al. 2023, "NeuroX Library for Neuron Analysis of Deep
NLP Models"].
"""

from __future__ import annotations

from onegrain.formats.neurox.exporting import export_neurox
from onegrain.formats.neurox.importing import import_neurox

__all__ = ["export_neurox", "import_neurox"]
