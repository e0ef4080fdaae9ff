"""Runs: a recipe trained in a folder of its own, which may be killed and resumed at any moment."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
