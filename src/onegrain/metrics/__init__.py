"""Metrics of a running model, each with bootstrap intervals over sentences, pairs or documents.

The names are listed in ``__init__.pyi`` and imported when they are first used, so the registry can be read
without torch.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
