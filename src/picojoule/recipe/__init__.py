"""Recipes: experiments as data, read from TOML and checked before any work begins."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
