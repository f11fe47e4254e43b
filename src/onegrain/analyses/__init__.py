"""Pure functions of records: the four questions of [Dalvi19], layers, words, clusters, agreement.

The names are listed in ``__init__.pyi`` and imported when they are first used, so that one analysis does not
load what the others need.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
