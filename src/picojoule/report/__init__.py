"""Reports: accuracy, energies and counts of a network, as JSON and as tables."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
