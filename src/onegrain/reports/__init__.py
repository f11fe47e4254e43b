"""Reports: tables, charts and text heat maps, one rendering for notebook, report and explorer.

The names are listed in ``__init__.pyi`` and imported when they are first used, so that a block can be made
without the library that draws charts.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
