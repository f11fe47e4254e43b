"""Extract the activations of every word of a corpus from a model, and store and read them.

The names are listed in ``__init__.pyi`` and imported when they are first used. Opening a store needs neither
torch nor transformers, which :func:`extract` and :func:`live_activations` import.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
