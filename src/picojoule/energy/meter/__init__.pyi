from .foreign import Foreign as Foreign
from .foreign import Inner as Inner
from .meter import Meter as Meter
