"""Sweeps: many runs of one recipe, as a grid or a search, and what came of them."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
