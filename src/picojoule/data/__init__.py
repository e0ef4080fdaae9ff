"""Named data sets, and encoders that turn them into spikes."""

from picojoule.data.augment import Augment
from picojoule.data.batches import Batch, loader
from picojoule.data.download import fetch, get
from picojoule.data.encode import Direct, Encoder, Latency, Poisson, Repeat
from picojoule.data.encoders import ENCODERS, encoder
from picojoule.data.filterbank import Filterbank
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
    "File",
    "Filterbank",
    "Latency",
    "Poisson",
    "Repeat",
    "Sizes",
    "Split",
    "Splits",
    "dataset",
    "encoder",
    "fetch",
    "get",
    "hold_out",
    "load",
    "loader",
]
