"""Named data sets and your own, and encoders that turn them into spikes."""

from picojoule.data.augment import Augment
from picojoule.data.collate import Batch, loader
from picojoule.data.encoders.coding import Direct, Encoder, Latency, Poisson, Repeat
from picojoule.data.encoders.filterbank import Filterbank
from picojoule.data.encoders.frames import Frames
from picojoule.data.encoders.named_encoders import ENCODERS, encoder
from picojoule.data.loading import load
from picojoule.data.own import Own, load_own
from picojoule.data.recordings import EventLists
from picojoule.data.sets.dataset import Dataset, File, Sizes
from picojoule.data.sets.named import DATASETS, dataset
from picojoule.data.split import Split, Splits, hold_out
from picojoule.data.store.cache import folder as cache_folder
from picojoule.data.store.cache import prepared
from picojoule.data.store.download import fetch, get

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
