"""The base classes of a recipe's tables, and checks of their values."""

import dataclasses
import inspect
from collections.abc import Callable, Iterable, Mapping, Sequence
from types import NoneType
from typing import Annotated, Any, TypeVar, get_args, get_origin

from pydantic import BaseModel, ConfigDict, Field, model_validator

from picojoule.units import picojoule, seconds

NOTHING = "none"  # TOML has no word for it
Positive = Annotated[float, Field(gt=0)]
Share = Annotated[float, Field(ge=0, lt=1)]
Count = Annotated[int, Field(ge=1)]

N = TypeVar("N", bound="Named")
# What a parameter of that type may be in TOML.
_PLAIN: dict[Any, tuple[tuple[type, ...], str]] = {
    bool: ((bool,), "true or false"),
    int: ((int,), "a whole number"),
    float: ((int, float), "a number"),
    str: ((str,), "a text"),
}


class Table(BaseModel):
    """Base of tables that refuse every key they do not have as a field.

    The text ``"none"`` is None in a field that may be None.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)

    @model_validator(mode="before")
    @classmethod
    def _nothing(cls, table: Any) -> Any:
        if not isinstance(table, dict):
            return table
        fields = cls.model_fields
        may_be_none = {name for name in fields if NoneType in get_args(fields[name].annotation)}
        return {
            name: None if name in may_be_none and value == NOTHING else value
            for name, value in table.items()
        }


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


def completed(table: N, made: Callable[..., Any], without: Iterable[str] = ()) -> N:
    """Returns a table with all parameters of a callable, in its order, and then any others.

    A parameter that is not given has its default, as TOML can say it; one that TOML has no form
    for is left out. The text ``"none"`` is None for a parameter that may be None.

    Args:
        table: Names the callable, and gives parameters.
        made: The class or function.
        without: Parameters that are no part of a recipe.
    """
    known = {
        name: parameter
        for name, parameter in inspect.signature(made).parameters.items()
        if name not in without
    }
    params = {
        name: None if value == NOTHING and name in known and _may_be_none(known[name]) else value
        for name, value in table.params.items()
    }
    defaults = {name: plain(parameter.default) for name, parameter in known.items()}
    inside = [
        name for name in known if name in params or defaults[name] is not inspect.Parameter.empty
    ]
    whole: dict[str, Any] = {name: getattr(table, name) for name in type(table).model_fields}
    whole |= {name: params.get(name, defaults[name]) for name in inside}
    whole |= {name: params[name] for name in sorted(params) if name not in known}
    return type(table).model_construct(None, **whole)


def plain(value: Any) -> Any:
    """Returns a value as TOML can say it, with tables for records.

    ``inspect.Parameter.empty`` stands for a value that TOML has no form for.
    """
    if isinstance(value, dict):
        return {name: plain(part) for name, part in value.items()}
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {one.name: plain(getattr(value, one.name)) for one in dataclasses.fields(value)}
    if isinstance(value, (tuple, list)):
        return [plain(one) for one in value]
    return value if value is None or type(value) in _PLAIN else inspect.Parameter.empty


def _may_be_none(parameter: inspect.Parameter) -> bool:
    return parameter.default is None or NoneType in get_args(parameter.annotation)


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
        if name not in known or (value in (None, NOTHING) and _may_be_none(known[name])):
            continue
        parameter = known[name]
        if get_origin(parameter.annotation) is Sequence and not isinstance(value, list):
            raise ValueError(f"{key}.{name} must be a list, got {value!r}")
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
    times = {name: value for name, value in _given(table) if is_time(name)}
    read = {name: named(name, _seconds, value) for name, value in times.items()}
    return table.model_copy(update=read)


def in_picojoule(table: Named) -> Named:
    """Returns the table with its energies in pJ, so that '12 nJ' and 12000 are the same recipe."""
    energies = {name: value for name, value in _given(table) if name.endswith("_pj")}
    read = {name: named(name, picojoule, value) for name, value in energies.items()}
    return table.model_copy(update=read)


def named(name: str, read: Callable[[Any], Any], value: Any) -> Any:
    """Reads the value of an option, whose name stands in errors."""
    try:
        return read(value)
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from None


def _given(table: Named) -> Iterable[tuple[str, Any]]:
    return [(name, value) for name, value in table.params.items() if value not in (None, NOTHING)]


def _seconds(value: Any) -> float | list[float]:
    """Converts one time, or the two ends of a range."""
    return [seconds(one) for one in value] if isinstance(value, list) else seconds(value)


def is_time(parameter: str) -> bool:
    """Returns whether a parameter of that name is a time."""
    return parameter in ("dt", "tau") or parameter.startswith("tau_") or parameter.endswith("_s")
