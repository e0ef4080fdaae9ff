from .named import DATASETS as DATASETS
from .named import dataset as dataset
