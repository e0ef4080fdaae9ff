"""Named data sets and your own, and encoders that turn them into spikes."""

from picojoule.data.augment import Augment
from picojoule.data.batches import Batch, loader
from picojoule.data.cache import folder as cache_folder
from picojoule.data.cache import prepared
from picojoule.data.download import fetch, get
from picojoule.data.encode import Direct, Encoder, Latency, Poisson, Repeat
from picojoule.data.encoders import ENCODERS, encoder
from picojoule.data.events import EventLists
from picojoule.data.filterbank import Filterbank
from picojoule.data.folder import Own, load_own
from picojoule.data.frames import Frames
from picojoule.data.read import load
from picojoule.data.record import Dataset, File, Sizes
from picojoule.data.registry import DATASETS, dataset
from picojoule.data.split import Split, Splits, hold_out

__all__ = [
    "DATASETS",
    "ENCODERS",
    "Augment",
    "Batch",
    "Dataset",
    "Direct",
    "Encoder",
    "EventLists",
    "File",
    "Filterbank",
    "Frames",
    "Latency",
    "Own",
    "Poisson",
    "Repeat",
    "Sizes",
    "Split",
    "Splits",
    "cache_folder",
    "dataset",
    "encoder",
    "fetch",
    "get",
    "hold_out",
    "load",
    "load_own",
    "loader",
    "prepared",
]
