from .architectures import NETWORKS as NETWORKS
from .architectures import network as network
from .clip import ClipFloorShift as ClipFloorShift
from .convert import Conversion as Conversion
from .convert import convert as convert
from .repeat import Repeat as Repeat
from .sequential import Residual as Residual
from .sequential import Sequential as Sequential
