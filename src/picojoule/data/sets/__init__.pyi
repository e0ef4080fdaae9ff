from .named import DATASETS as DATASETS
from .named import dataset as dataset
from .schema import Dataset as Dataset
from .schema import File as File
from .schema import Sizes as Sizes
