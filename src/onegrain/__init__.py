"""onegrain: find, rank, erase and show the individual neurons of language and translation models.

The public names are listed once, in ``__init__.pyi``. Each is imported when it is first used, so
``import onegrain`` loads neither torch nor transformers.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
