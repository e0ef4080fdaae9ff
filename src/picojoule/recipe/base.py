"""The base classes of a recipe's tables, and checks of their values."""

import inspect
from collections.abc import Callable, Mapping
from typing import Annotated, Any, get_args

from pydantic import BaseModel, ConfigDict, Field, model_validator

from picojoule.units import picojoule, seconds

Positive = Annotated[float, Field(gt=0)]
Count = Annotated[int, Field(ge=1)]

# What a parameter of that type may be in TOML.
_PLAIN: dict[Any, tuple[tuple[type, ...], str]] = {
    bool: ((bool,), "true or false"),
    int: ((int,), "a whole number"),
    float: ((int, float), "a number"),
    str: ((str,), "a text"),
}


class Table(BaseModel):
    """Base of tables that refuse every key they do not have as a field."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


class Named(BaseModel):
    """A table with a name and parameters: every key that is no field. A text alone is the name."""

    model_config = ConfigDict(frozen=True, extra="allow", allow_inf_nan=False)

    name: str

    @model_validator(mode="before")
    @classmethod
    def _by_name(cls, table: Any) -> Any:
        return {"name": table} if isinstance(table, str) else table

    @property
    def params(self) -> dict[str, Any]:
        """The parameters: every key that is no field."""
        return dict(self.model_extra or {})


def check_types(key: str, params: Mapping[str, Any], made: Callable[..., Any]) -> None:
    """Checks that values are of the plain types that the parameters of a callable have.

    Args:
        key: Where the table stands in the recipe, for errors.
        params: Values by the names of parameters.
        made: The class or function that takes them, with annotations or defaults.

    Raises:
        ValueError: If a value is of another type; the message names its key.
    """
    known = inspect.signature(made).parameters
    for name, value in params.items():
        if name not in known:
            continue
        parameter = known[name]
        if isinstance(value, list) and float in get_args(parameter.annotation):
            if not all(isinstance(item, (int, float)) for item in value):
                raise ValueError(f"{key}.{name} must be a number or several, got {value!r}")
            continue
        kinds = _plain_kinds(parameter)
        allowed = tuple(kind for one in kinds for kind in _PLAIN[one][0])
        mistaken = isinstance(value, bool) and bool not in kinds  # which is an int to Python
        if kinds and (mistaken or not isinstance(value, allowed)):
            words = " or ".join(_PLAIN[one][1] for one in kinds)
            raise ValueError(f"{key}.{name} must be {words}, got {value!r}")


def _plain_kinds(parameter: inspect.Parameter) -> list[type]:
    """Returns the plain types that a parameter may have, by its annotation or its default."""
    annotation = parameter.annotation
    said = [one for one in (annotation, *get_args(annotation)) if one in _PLAIN]
    return said or [one for one in [type(parameter.default)] if one in _PLAIN]


def in_seconds(table: Named) -> Named:
    """Returns the table with its times in seconds, so that '20 ms' and 0.02 are the same recipe."""
    times = {name: value for name, value in table.params.items() if _is_time(name)}
    return table.model_copy(update={name: _seconds(value) for name, value in times.items()})


def in_picojoule(table: Named) -> Named:
    """Returns the table with its energies in pJ, so that '12 nJ' and 12000 are the same recipe."""
    energies = {name: value for name, value in table.params.items() if name.endswith("_pj")}
    return table.model_copy(update={name: picojoule(value) for name, value in energies.items()})


def _seconds(value: Any) -> float | list[float]:
    """Converts one time, or the two ends of a range."""
    return [seconds(one) for one in value] if isinstance(value, list) else seconds(value)


def _is_time(parameter: str) -> bool:
    return parameter in ("dt", "tau") or parameter.startswith("tau_") or parameter.endswith("_s")
