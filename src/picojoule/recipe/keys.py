"""The keys of a recipe: every field of its tables, and every option of what they name."""

import difflib
import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, get_args, get_origin

from pydantic import BaseModel

from picojoule._names import ALIKE, shortened
from picojoule.data import ENCODERS
from picojoule.networks.architectures import NETWORKS, builder
from picojoule.networks.options import GIVEN
from picojoule.neurons import Mixture, neuron
from picojoule.readout import READOUTS
from picojoule.recipe.neuron_table import offered
from picojoule.surrogate import SURROGATES
from picojoule.training.penalties import kinds as penalties
from picojoule.training.penalties import penalty

_NOTED = "data.found"  # written by runs, and nothing to set
_AS_GOOD = 0.15  # how much less alike a second suggestion may be


@dataclass
class Keys:
    """The dotted keys that a recipe may have.

    Attributes:
        fields: Keys of values.
        tables: Keys of tables, some of which may be a mere name as well.
        open: Tables of which the options are not known, so that no key in them is wrong.
    """

    fields: list[str] = field(default_factory=list)
    tables: list[str] = field(default_factory=list)
    open: list[str] = field(default_factory=list)

    def split(self, table: Mapping[str, Any], at: str = "") -> tuple[dict[str, Any], list[str]]:
        """Splits a table in what a recipe may have, and the dotted keys that it may not."""
        kept: dict[str, Any] = {}
        wrong: list[str] = []
        for name, value in table.items():
            key = f"{at}.{name}" if at else name
            if isinstance(value, Mapping) and key in self.tables:
                kept[name], below = self.split(value, key)
                wrong += below
            elif key in self.fields or key in self.tables or at in self.open:
                kept[name] = value
            else:
                wrong += _leaves(key, value)
        return kept, wrong

    def unknown(self, key: str) -> str:
        """Words the message for an unknown key: what may have been meant, and what there is."""
        key = shortened(key)
        near = self.nearest(key)
        meant = " or ".join(f"'{one}'" for one in near)
        table = key.rpartition(".")[0]
        beside = [one for one in self.fields if one.rpartition(".")[0] == table]
        known = ", ".join(sorted(beside if table and beside else [] if near else self.fields))
        hint = f": did you mean {meant}?" if near else "."
        return f"unknown key '{key}'{hint}" + (f" Known: {known}" if known else "")

    def nearest(self, key: str) -> list[str]:
        """Returns the keys that may have been meant, at whatever depth, the likeliest first."""
        names = [*self.fields, *self.tables]
        lasts = {_last(name).lower() for name in names}
        last = _last(key).lower()
        if last not in lasts:
            last = next(iter(difflib.get_close_matches(last, lasts, n=1, cutoff=ALIKE)), None)
        table = key.rpartition(".")[0]
        alike = {name: _alike(key, name) for name in names if _last(name).lower() == last}
        beside = [name for name in alike if name.rpartition(".")[0] == table]
        if table and beside:
            return beside
        if table not in ("", *self.tables):  # else it says nothing, or another table was meant
            best = max(alike.values(), default=0.0)
            alike = {name: one for name, one in alike.items() if one >= best - _AS_GOOD}
        return sorted(alike, key=lambda name: -alike[name])


def keys_of(recipe: type[BaseModel], tables: Mapping[str, Any]) -> Keys:
    """Returns the keys of a recipe, with the options of what its tables name.

    Args:
        recipe: The class of recipes.
        tables: The recipe as it was read; a name in it may be unknown, which is said elsewhere.
    """
    keys = Keys()
    _add_fields(keys, recipe, "")
    for table, options in _OPTIONS.items():
        names = options(_name_in(tables, table))
        if names is None:
            keys.open.append(table)
        keys.fields += [f"{table}.{name}" for name in names or ()]
    keys.tables.append("network.neuron.surrogate")  # which is an option of neurons, not a field
    return keys


def every_key(recipe: type[BaseModel]) -> dict[str, list[str]]:
    """Returns every key that some recipe may have, with the values of those that have a few."""
    keys = Keys()
    _add_fields(keys, recipe, "")
    named = {
        "data.encoder": list(ENCODERS),
        "network": list(NETWORKS),
        "network.neuron": offered(),
        "network.neuron.surrogate": list(SURROGATES),
        "penalty": list(penalties()),
    }
    values = {key: list[str]() for key in keys.fields} | _words(recipe, "")
    for table, names in named.items():
        options = [one for name in names for one in _OPTIONS[table](name) or ()]
        values |= {f"{table}.{option}": [] for option in sorted(options)}
        values |= {f"{table}.name": names, table: names}
    return dict(sorted((values | {"train.readout": list(READOUTS)}).items()))


def _words(table: type[BaseModel], at: str) -> dict[str, list[str]]:
    """Returns the values of the fields that are one of a few words, or true or false."""
    found = {}
    for name, one in table.model_fields.items():
        kinds = [one.annotation, *get_args(one.annotation)]
        below = [kind for kind in kinds if isinstance(kind, type) and issubclass(kind, BaseModel)]
        if below:
            found |= _words(below[0], f"{at}{name}.")
        elif one.annotation is bool:
            found[f"{at}{name}"] = ["true", "false"]
        elif get_origin(one.annotation) is Literal:
            found[f"{at}{name}"] = list(get_args(one.annotation))
    return found


def _add_fields(keys: Keys, table: type[BaseModel], at: str) -> None:
    for name, one in table.model_fields.items():
        key = f"{at}{name}"
        kinds = [one.annotation, *get_args(one.annotation)]
        below = [kind for kind in kinds if isinstance(kind, type) and issubclass(kind, BaseModel)]
        if key == _NOTED:
            keys.tables.append(key)
            keys.open.append(key)
        elif below:
            keys.tables.append(key)
            _add_fields(keys, below[0], f"{key}.")
        else:
            keys.fields.append(key)


def _name_in(tables: Mapping[str, Any], table: str) -> str | None:
    """Returns what a table names, None if it names nothing."""
    value: Any = tables
    for part in table.split("."):
        value = value.get(part) if isinstance(value, Mapping) else None
    name = value.get("name") if isinstance(value, Mapping) else value
    return name if isinstance(name, str) else None


def _options_of_encoder(name: str | None) -> list[str] | None:
    kind = ENCODERS.get((name or "").lower())
    return None if kind is None else _parameters(kind)


def _options_of_network(name: str | None) -> list[str] | None:
    return _parameters_of(builder, name, GIVEN)


def _options_of_neuron(name: str | None) -> list[str] | None:
    if name is not None and name.lower() == Mixture.__name__.lower():
        return ["kinds", "learned", "dt"]
    found = _parameters_of(neuron, name or "LIF", ("size",))
    return None if found is None else [*found, "learn"]


def _options_of_surrogate(name: str | None) -> list[str] | None:
    kind = SURROGATES.get(name or "")
    return None if kind is None else ["name", *(_parameters(kind) or ())]


def _options_of_penalty(name: str | None) -> list[str] | None:
    return _parameters_of(penalty, name)


# What may stand in a table beside its fields, by what it names; None if that is not known.
_OPTIONS: dict[str, Callable[[str | None], list[str] | None]] = {
    "data.encoder": _options_of_encoder,
    "network": _options_of_network,
    "network.neuron": _options_of_neuron,
    "network.neuron.surrogate": _options_of_surrogate,
    "penalty": _options_of_penalty,
}


def _parameters_of(
    find: Callable[[str], Callable[..., Any]], name: str | None, given: Sequence[str] = ()
) -> list[str] | None:
    """Lists the parameters of what is found by name, None if nothing is."""
    try:
        return None if name is None else _parameters(find(name), given)
    except ValueError:  # it is told where the name is checked
        return None


def _parameters(made: Callable[..., Any], given: Sequence[str] = ()) -> list[str] | None:
    """Lists the parameters of a callable but those given, None if it takes any."""
    parameters = inspect.signature(made).parameters.values()
    if any(one.kind is one.VAR_KEYWORD for one in parameters):
        return None
    return [one.name for one in parameters if one.name not in given]


def _leaves(key: str, value: Any) -> Iterator[str]:
    """Yields the dotted keys of the values in a table, or the key of what is none."""
    if not isinstance(value, Mapping) or not value:
        yield key
        return
    for name, below in value.items():
        yield from _leaves(f"{key}.{name}", below)


def _last(key: str) -> str:
    return key.rpartition(".")[2]


def _alike(key: str, other: str) -> float:
    return difflib.SequenceMatcher(None, key.lower(), other.lower()).ratio()
