"""Items without labels, from single files, read as those of whole data sets are."""

from pathlib import Path

from picojoule.data.readers import arrays, images, wavs
from picojoule.data.readers.bad import Bad
from picojoule.data.readers.formats import FORMATS
from picojoule.data.readers.mono import at_rate
from picojoule.data.recordings import shape_of
from picojoule.data.schema import Dataset
from picojoule.data.split import Split
from picojoule.data.waves import joined

_ARRAYS = (".npy", ".npz")


def read_unlabelled(
    path: Path, dataset: Dataset, size: int | None = None, *, resample: bool = False
) -> Split:
    """Reads the items of a file for a network that was trained on a data set.

    Args:
        path: A picture, a sound, or a file of the data set's own format; or arrays, ``.npz`` of
            several items and ``.npy`` of one. ``suffixes`` lists them.
        dataset: The data set whose modality, and shape or sampling rate, they must have.
        size: Pixels of the shorter side to scale pictures to; None if they are not scaled.
        resample: Bring sounds to the data set's rate and mix their channels, instead of refusing
            others.

    Returns:
        One or more items; their labels mean nothing.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it cannot be read or does not fit; the message names it.
    """
    if not path.exists():
        raise FileNotFoundError(f"there is no file '{path}'")
    bad = Bad(skip=False, resample=resample)
    split = _read(path, dataset, size, bad)
    bad.say(str(path))
    if (shape := shape_of(split)) != dataset.inputs:
        advice = ": scale it first" if dataset.modality == "image" else ""
        raise ValueError(
            f"'{path}' is of shape {list(shape)}, the network takes {list(dataset.inputs)}{advice}"
        )
    return split


def suffixes(dataset: Dataset) -> tuple[str, ...]:
    """Returns the ends of the names of files that can be read for a data set."""
    general = {"image": images.SUFFIXES, "audio": wavs.SUFFIXES, "events": ()}[dataset.modality]
    own = FORMATS[dataset.format].suffixes if dataset.format in FORMATS else ()
    return tuple(dict.fromkeys((*_ARRAYS, *general, *own)))


def _read(path: Path, dataset: Dataset, size: int | None, bad: Bad) -> Split:
    name, one = path.name.lower(), ([path], [0])
    own = FORMATS.get(dataset.format)
    if name.endswith(_ARRAYS):
        split, rate_hz = arrays.read_unlabelled(path, dataset.modality)
        if rate_hz is None or dataset.rate_hz in (None, rate_hz):
            return split
        if not bad.resample:
            raise ValueError(
                f"'{path}' has {rate_hz} samples a second, not {dataset.rate_hz}: resample them, "
                "or train with --set data.resample=true, which does so"
            )
        return at_rate(split, rate_hz, dataset.rate_hz, bad)
    if own is not None and own.read_file is not None and name.endswith(own.suffixes):
        return own.read_file(path, dataset, bad)
    if dataset.modality == "image" and name.endswith(images.SUFFIXES):
        return images.read(*one, channels=dataset.inputs[0], size=size, bad=bad)
    if dataset.modality == "audio" and name.endswith(wavs.SUFFIXES):
        return joined(wavs.sounds(*one, rate_hz=wavs.rate_of(dataset), bad=bad))
    kind = {"image": "pictures", "audio": "sounds", "events": "events"}[dataset.modality]
    raise ValueError(
        f"'{path}': {kind} are read from files of {', '.join(suffixes(dataset))}: convert it to one"
    )
