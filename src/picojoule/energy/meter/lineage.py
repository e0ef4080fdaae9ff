"""Lineage: which kind each tensor is of, and which parameters it was made of."""

from collections.abc import Iterable, Sequence
from dataclasses import is_dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.weak import WeakTensorKeyDictionary

from picojoule.energy.events import version_of
from picojoule.energy.kinds import Kind, joined
from picojoule.energy.rules.provenance import COPYING, JOINING, SAME, SAME_ORDER


class Lineage:
    """What is known of where tensors come from, while they live.

    Args:
        net: The network, whose parameters are the origin of weights.
    """

    def __init__(self, net: nn.Module) -> None:
        self._kinds: Any = WeakTensorKeyDictionary()
        self._origins: Any = WeakTensorKeyDictionary()
        for parameter in net.parameters():
            self._origins[parameter] = frozenset({id(parameter)})

    def declare(self, value: Tensor, kind: Kind) -> None:
        """Says what a tensor carries."""
        self._kinds[value] = kind

    def kind_of(self, value: Any) -> Kind | None:
        """What a tensor carries, None where nothing is known of it (weights and constants)."""
        return self._kinds.get(value) if isinstance(value, Tensor) else None

    def is_new(self, value: Tensor) -> bool:
        """Whether nothing was seen of where a tensor comes from."""
        known = value in self._kinds or value in self._origins
        return not known and value.is_floating_point()

    def origins(self, value: Tensor) -> frozenset[int]:
        """The ids of the parameters that a tensor is made of, if it is made of these alone."""
        return self._origins.get(value, frozenset())

    def is_learned(self, value: Tensor) -> bool:
        """Whether a tensor is made of parameters alone."""
        return value in self._origins

    def known(self, values: Iterable[Tensor]) -> list[Kind]:
        """The kinds of those of which one is known."""
        return [kind for value in values if (kind := self._kinds.get(value)) is not None]

    def derive(self, inputs: list[Tensor], outputs: list[Tensor]) -> None:
        """What is computed from weights alone stands for them."""
        origins = frozenset().union(*(self._origins.get(value, ()) for value in inputs))
        if origins:
            for value in outputs:
                self._origins[value] = origins

    def pass_on(
        self,
        function: Any,
        name: str,
        kind: Kind,
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        outputs: Sequence[Tensor],
    ) -> None:
        """Says of each result of a function that it is of a kind."""
        inputs = tensors((*args, *kwargs.values()))
        if name in COPYING:
            kind = _spread(kind, inputs[0], outputs[0])
        if kind.number is not None and name in SAME:
            kind = kind if name in SAME_ORDER else replace(kind, number=None)
        if kind.tally is not None:
            kind = _still_summed(name, kind, inputs[0], outputs[0])
        kinds = [kind] * len(outputs)
        if kind.uneven and (name in SAME or name in JOINING or name == "pad"):
            kinds = self._moved(function, kind, args, kwargs)[: len(outputs)]
        for value, one in zip(outputs, kinds, strict=True):
            self._kinds[value] = one
            whole = value._base
            if inputs and value is inputs[0] and whole is not None and whole in self._kinds:
                # A part was changed in place, and with it the whole.
                self._kinds[whole] = joined([self._kinds[whole].untallied(), one])

    def _moved(
        self, function: Any, kind: Kind, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> list[Kind]:
        """The kinds after values of unequal worth were moved: their worth moves along."""

        def worth(argument: Any) -> Any:
            if isinstance(argument, (list, tuple)):
                parts = [worth(part) for part in argument]
                return parts if isinstance(argument, list) else tuple(parts)
            if (known := self.kind_of(argument)) is None or not known.uneven:
                return argument
            return torch.as_tensor(known.scale).expand(argument.shape).clone()

        named = {name: worth(argument) for name, argument in kwargs.items()}
        moved = function(*(worth(argument) for argument in args), **named)
        return [replace(kind, scale=scale) for scale in tensors([moved])]


def _still_summed(name: str, kind: Kind, value: Tensor, out: Tensor) -> Kind:
    """The kind of a result, with the sum of its argument if it holds the very same values."""
    same = value.numel() == out.numel() and value.device == out.device
    if name in SAME_ORDER and same and kind.version == version_of(value):
        return replace(kind, version=version_of(out))
    return kind.untallied()


def _spread(kind: Kind, value: Tensor, out: Tensor) -> Kind:
    """The kind of copies: those along the first axis are steps."""
    if not kind.steps or out.dim() != value.dim() or not value.shape[0]:
        return kind
    return replace(kind, steps=kind.steps * out.shape[0] // value.shape[0])


def tensors(values: Iterable[Any]) -> list[Tensor]:
    """The tensors among arguments, also inside lists, dicts and dataclasses."""
    found: list[Tensor] = []
    for value in values:
        if isinstance(value, Tensor):
            found.append(value)
        elif isinstance(value, (list, tuple)):
            found.extend(tensors(value))
        elif isinstance(value, dict):
            found.extend(tensors(value.values()))
        elif is_dataclass(value) and not isinstance(value, type):
            found.extend(tensors(vars(value).values()))
    return found
