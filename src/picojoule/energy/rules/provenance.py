"""Which kind a torch function's result is of, from the kinds of its arguments."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from picojoule.energy.kinds import NOTHING, Kind, joined, product, summed

KindOf = Callable[[Any], Kind | None]

# Rearranging, copying or choosing among values changes no kind.
SAME = frozenset(
    """view reshape flatten unflatten squeeze unsqueeze transpose permute contiguous to float double
    half bfloat16 type type_as cpu cuda detach clone alias expand expand_as repeat tile
    repeat_interleave getitem index_select select narrow split split_with_sizes chunk unbind
    tensor_split roll flip movedim moveaxis swapaxes swapdims gather take_along_dim view_as
    reshape_as ravel unfold squeeze_ T mT H mH data diagonal masked_select
    requires_grad identity channel_shuffle pixel_shuffle pixel_unshuffle t abs""".split()
)
# Of those, the ones that keep all values in their order.
SAME_ORDER = frozenset(
    """view reshape flatten unflatten squeeze unsqueeze contiguous to float double half bfloat16
    type type_as clone alias view_as reshape_as ravel squeeze_ requires_grad identity""".split()
)
# Copies of a value along new or longer axes.
COPYING = frozenset("expand expand_as repeat tile repeat_interleave".split())
# Takes shape or type from its argument, but no value.
CREATING = frozenset(
    """zeros_like ones_like empty_like full_like rand_like randn_like new_zeros new_ones new_empty
    new_full new_tensor grad""".split()
)
# What is zero is no event until something is put into it.
ZEROS = frozenset("zeros zeros_like new_zeros".split())
JOINING = frozenset("cat concat concatenate stack hstack vstack dstack".split())
PICKING = frozenset("amax amin max maximum min minimum".split())
# What the operators and other spellings of a function are called.
_ALIASES = {
    "radd": "add",
    "iadd": "add",
    "isub": "sub",
    "subtract": "sub",
    "rmul": "mul",
    "imul": "mul",
    "multiply": "mul",
    "truediv": "div",
    "itruediv": "div",
    "divide": "div",
    "true_divide": "div",
    "negative": "neg",
    "mm": "matmul",
    "bmm": "matmul",
    "mv": "matmul",
    "dropout1d": "dropout",
    "dropout2d": "dropout",
    "dropout3d": "dropout",
    "feature_dropout": "dropout",
}


def name_of(function: Callable[..., Any]) -> str:
    """The plain name of a torch function: ``Tensor.add_``, ``operator.iadd``: ``add``."""
    name = getattr(function, "__name__", "")
    if name == "__get__":
        name = getattr(getattr(function, "__self__", None), "__name__", "")
    plain = name.strip("_") or name
    return _ALIASES.get(plain, plain)


def constant(value: Any) -> bool:
    """Whether a factor is the same for every element, learned or not."""
    return value.numel() == 1 if isinstance(value, Tensor) else isinstance(value, (int, float))


def _mul(of: KindOf, out: Tensor, input: Any, other: Any, **_: Any) -> Kind:
    first, second = of(input), of(other)
    if first is not None and second is not None:
        return product(first, second)
    kind, factor = (first, other) if first is not None else (second, input)
    assert kind is not None
    if isinstance(factor, Tensor) and factor.dtype == torch.bool:
        return kind
    if constant(factor):
        return kind.scaled(factor)
    return Kind("graded", hidden=kind.hidden, steps=kind.steps) if kind.sparse else kind.analog()


def _div(
    of: KindOf, out: Tensor, input: Any, other: Any, *, rounding_mode: str | None = None
) -> Kind | None:
    first = of(input)
    if first is None or of(other) is not None or rounding_mode or not constant(other):
        return None
    return None if isinstance(other, (int, float)) and not other else first.scaled(1 / other)


def _add(of: KindOf, out: Tensor, input: Any, other: Any, *, alpha: float = 1) -> Kind | None:
    first, second = of(input), of(other)
    if alpha != 1:
        return None
    if first is not None and second is not None:
        return summed(first, second)
    kind, rest = (first, other) if first is not None else (second, input)
    # sum([...]) in Python starts from 0
    return kind if isinstance(rest, (int, float)) and rest == 0 else None


def _sub(of: KindOf, out: Tensor, input: Any, other: Any, *, alpha: float = 1) -> Kind | None:
    first, second = of(input), of(other)
    if alpha == 1 and first is not None and second is not None:
        return summed(first, second, minus=True)
    return None if first is not None else _rsub(of, out, other, input, alpha=alpha)


def _rsub(of: KindOf, out: Tensor, input: Any, other: Any, *, alpha: float = 1) -> Kind | None:
    kind = of(input)
    is_complement = isinstance(other, (int, float)) and other == 1 and alpha == 1
    if kind is None or not is_complement or kind.name != "events" or kind.signed:
        return None
    return kind if not isinstance(kind.scale, Tensor) and kind.scale == 1 else None


def _neg(of: KindOf, out: Tensor, input: Any) -> Kind | None:
    kind = of(input)
    return None if kind is None else Kind(kind.name, kind.scale, True, kind.hidden, kind.steps)


def _sum(of: KindOf, out: Tensor, input: Any, *args: Any, **kwargs: Any) -> Kind | None:
    kind = of(input)
    return None if kind is None else kind.levels()


def _mean(of: KindOf, out: Tensor, input: Any, *args: Any, **kwargs: Any) -> Kind | None:
    kind = of(input)
    if kind is None or not out.numel():
        return None
    return kind.levels(out.numel() / input.numel()) if kind.counted else None


def _dropout(
    of: KindOf,
    out: Tensor,
    input: Any,
    p: float = 0.5,
    training: bool = True,
    inplace: bool = False,
    train: bool = True,
) -> Kind | None:
    kind, drops = of(input), training and train
    return kind if kind is None or not drops else kind.scaled(1 / (1 - p) if p < 1 else 1.0)


def _pad(
    of: KindOf, out: Tensor, input: Any, pad: Any, mode: str = "constant", value: Any = None
) -> Kind | None:
    return of(input) if mode != "constant" or not value else None


def _masked_fill(of: KindOf, out: Tensor, input: Any, mask: Any, value: Any) -> Kind | None:
    return of(input) if isinstance(value, (int, float)) and value == 0 else None


def _setitem(of: KindOf, out: Tensor, input: Any, index: Any, value: Any) -> Kind | None:
    if isinstance(value, (int, float)) and value:
        return None
    kinds = [kind for kind in (of(input), of(value)) if kind is not None]
    return joined(kinds) if kinds else None


def _where(of: KindOf, out: Tensor, condition: Any, input: Any, other: Any) -> Kind | None:
    kinds = [of(value) for value in (input, other) if isinstance(value, Tensor) or value != 0]
    return joined(known) if len(known := [k for k in kinds if k]) == len(kinds) else None


def _drawn(of: KindOf, out: Tensor, input: Any, *args: Any, **kwargs: Any) -> Kind | None:
    kind = of(input)
    return Kind("events", hidden=False, steps=None if kind is None else kind.steps)


def _zero(of: KindOf, out: Tensor, input: Any) -> Kind | None:
    return NOTHING


def _filled(of: KindOf, out: Tensor, input: Any, *args: Any, **kwargs: Any) -> Kind | None:
    return Kind("analog")


def _copy(of: KindOf, out: Tensor, input: Any, src: Any, non_blocking: bool = False) -> Kind | None:
    return of(src)


PROVENANCE: dict[str, Callable[..., Kind | None]] = {
    "mul": _mul,
    "div": _div,
    "add": _add,
    "sub": _sub,
    "rsub": _rsub,
    "neg": _neg,
    "sum": _sum,
    "mean": _mean,
    "dropout": _dropout,
    "pad": _pad,
    "masked_fill": _masked_fill,
    "setitem": _setitem,
    "where": _where,
    "copy": _copy,
    "bernoulli": _drawn,
    "zero": _zero,
    **dict.fromkeys(("fill", "normal", "uniform"), _filled),
}
