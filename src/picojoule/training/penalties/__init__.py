"""Penalties: terms of the loss that grow with energy, or with what causes it."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
