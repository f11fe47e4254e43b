"""Activations: read every word of a corpus with a model, and keep the neurons' values in a store.

The names are listed in ``__init__.pyi`` and imported when they are first used: opening a store needs neither
torch nor transformers, which :func:`extract` and :func:`live_activations` load.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
