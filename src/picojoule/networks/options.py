"""Options of architectures, checked by the annotations of their builders."""

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from numbers import Integral, Real
from typing import Annotated, Any, Literal, get_args, get_origin

from picojoule._names import unknown
from picojoule.neurons import Neuron

_MOST = 1_000_000  # of anything that is counted: what a network of more would take, nobody has
NeuronFactory = Callable[[int], Neuron]
GIVEN = ("inputs", "classes", "neuron")  # not options: what every builder takes


@dataclass(frozen=True)
class Limits:
    """Limits of a number.

    Attributes:
        kind: Type of the number.
        low: Least value.
        below: Value that it has to stay below; None for no such limit.
    """

    kind: type = Integral
    low: int = 1
    below: int | None = None

    def __contains__(self, value: object) -> bool:
        if isinstance(value, bool) or not isinstance(value, self.kind):
            return False
        number: Any = value
        return number >= self.low and (self.below is None or number < self.below)

    def __str__(self) -> str:
        text = "a whole number of at least" if self.kind is Integral else "at least"
        return f"{text} {self.low}" + ("" if self.below is None else f" and below {self.below}")


Count = Annotated[int, Limits()]
Layers = Annotated[int, Limits(below=1_000)]
Steps = Annotated[int, Limits(low=0)]
Dropout = Annotated[float, Limits(Real, low=0, below=1)]


def check(name: str, builder: Callable[..., Any], options: Mapping[str, Any]) -> None:
    """Checks that a builder takes these options.

    Raises:
        ValueError: If the builder does not take an option, or a value is outside its limits.
    """
    known = inspect.signature(builder).parameters
    open_end = any(one.kind is inspect.Parameter.VAR_KEYWORD for one in known.values())
    for option, value in options.items():
        if option in GIVEN or (option not in known and not open_end):
            names = [one for one in known if one not in ("inputs", "classes")]
            raise ValueError(unknown(f"option of network '{name}'", option, names))
        if option in known and value is not None:
            _check_value(f"network.{option}", known[option].annotation, value)


def _check_value(key: str, kind: Any, value: object) -> None:
    """Raises an error for a value that its annotation does not allow."""
    limits = [one for one in get_args(kind) if isinstance(one, Limits)]
    if get_origin(kind) is Literal and value not in get_args(kind):
        raise ValueError(unknown(key, str(value), get_args(kind)))
    if limits and value not in limits[0]:
        raise ValueError(f"{key} must be {limits[0]}, got {value!r}")
    if limits and isinstance(value, Integral) and int(value) >= _MOST:
        raise ValueError(f"{key} must be below {_MOST:,}, got {value:,}: choose a smaller one")
    if kind is bool and not isinstance(value, bool):
        raise ValueError(f"{key} must be true or false, got {value!r}")
