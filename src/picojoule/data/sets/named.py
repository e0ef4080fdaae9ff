"""The data sets that have a name: where they come from, whose they are and what is in them."""

from collections.abc import Mapping
from types import MappingProxyType

from picojoule._names import unknown
from picojoule.data.sets import audio, colour, events, grey
from picojoule.data.sets.description import Dataset

DATASETS: Mapping[str, Dataset] = MappingProxyType(
    {
        entry.name: entry
        for entry in (
            *(grey.DIGITS, grey.MNIST, grey.FASHION_MNIST),
            *(colour.CIFAR10, colour.CIFAR100, colour.IMAGENET),
            *(audio.FSDD, audio.SPEECH_COMMANDS, audio.SPEECH_COMMANDS_12),
            *(events.SHD, events.SSC, events.NMNIST, events.DVS_GESTURE, events.CIFAR10_DVS),
        )
    }
)


def dataset(name: str) -> Dataset:
    """The data set of that name, in whatever case.

    Raises:
        ValueError: For a name that is not known; the message names the nearest.

    Example:
        >>> dataset("digits").sizes
        Sizes(train=1237, validation=200, test=360)
    """
    found = DATASETS.get(name.lower())
    if found is None:
        raise ValueError(unknown("data set", name, DATASETS))
    return found
