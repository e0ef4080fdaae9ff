from .schema import Dataset as Dataset
from .schema import File as File
from .schema import Sizes as Sizes
