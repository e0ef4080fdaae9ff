from .foreign import Foreign as Foreign
from .meter import Meter as Meter
