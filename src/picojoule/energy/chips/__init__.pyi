from .chip import Chip as Chip
from .chip_file import chip_names as chip_names
from .chip_file import load_chip as load_chip
from .counter import COUNTERS as COUNTERS
from .counter import counter as counter
from .estimate import Energy as Energy
from .precision import priced_for as priced_for
from .price import Price as Price
