"""Encoders by name."""

import dataclasses
from collections.abc import Mapping
from types import MappingProxyType

from picojoule._names import unknown
from picojoule.data.encoders.base import Encoder
from picojoule.data.encoders.coding import Direct, Latency, Poisson, Repeat
from picojoule.data.encoders.filterbank import Filterbank
from picojoule.data.encoders.frames import Frames

ENCODERS: Mapping[str, type[Encoder]] = MappingProxyType(
    {
        "direct": Direct,
        "repeat": Repeat,
        "poisson": Poisson,
        "latency": Latency,
        "filterbank": Filterbank,
        "frames": Frames,
    }
)


def encoder(name: str, **params: object) -> Encoder:
    """Returns the encoder of that name, in upper or lower case.

    Args:
        name: One of ``ENCODERS``.
        **params: Its parameters, as its class takes them.

    Raises:
        ValueError: For a name or a parameter that is not known (the message names the nearest), a
            parameter that is missing, or a value out of its range.
        TypeError: For a value of a wrong type.

    Example:
        >>> encoder("latency", steps=16)
        Latency(steps=16, threshold=0.2)
    """
    kind = ENCODERS.get(name.lower())
    if kind is None:
        raise ValueError(unknown("encoder", name, ENCODERS))
    fields = {entry.name: entry for entry in dataclasses.fields(kind) if entry.init}  # pyright: ignore
    for given in params:
        if given not in fields:
            raise ValueError(unknown(f"parameter of the encoder {name.lower()}", given, fields))
    for entry in fields.values():
        if entry.name not in params and entry.default is dataclasses.MISSING:
            raise ValueError(
                f"the encoder {name.lower()} needs {entry.name}, as in {entry.name}=16"
            )
    return kind(**params)
