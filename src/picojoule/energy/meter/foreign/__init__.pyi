from .describe import Arrived as Arrived
from .describe import Arriving as Arriving
from .describe import Foreign as Foreign
from .describe import Inner as Inner
from .libraries import FOREIGN as FOREIGN
from .libraries import is_known as is_known
from .libraries import known as known
