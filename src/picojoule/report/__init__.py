"""Reports: the record of what a network reached and what it spent, as JSON and as tables."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
