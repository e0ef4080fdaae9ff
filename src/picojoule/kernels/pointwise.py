"""Pointwise operations of torch, each as an expression on one element.

The expressions are read by C and by numba alike: operators mean the same in both, and everything
else is a call of a small function that each of the two defines (``where``, ``fma``, ``exp`` ...).
Roundings are torch's: ``addcmul`` and a scaled ``add`` round once, a product and a sum twice. Only
functions that torch takes from a library (``exp``, ``sqrt`` ...) may differ in the last digit.
"""

import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import torch


class Value(NamedTuple):
    """One element inside a loop: its expression, and whether it is a truth value."""

    text: str
    truth: bool = False


class NotPointwiseError(ValueError):
    """A step that does more than work on each element alone."""


def constant(number: float) -> Value:
    """Returns a number of the loop's dtype."""
    if isinstance(number, bool):
        return Value("TRUE" if number else "FALSE", True)
    if math.isnan(number):
        return Value("NOT_A_NUMBER")
    if math.isinf(number):
        return Value("INFINITE" if number > 0 else "(-INFINITE)")
    return Value(f"R({float(number)!r})")


ZERO, ONE = constant(0.0), constant(1.0)


def real(value: Value) -> str:
    """Returns a value as a number: true is one."""
    return f"where({value.text}, {ONE.text}, {ZERO.text})" if value.truth else value.text


def truth(value: Value) -> str:
    """Returns a value as a truth value: anything but zero is true."""
    return value.text if value.truth else f"({value.text} != {ZERO.text})"


def expression(name: str, args: Sequence[Any], kwargs: dict[str, Any]) -> Value:
    """Returns the value of one operation.

    Args:
        name: Of the operation, without namespace and overload: ``mul``, ``where``.
        args: Values for tensors, numbers as they are.
        kwargs: Options of the operation.

    Raises:
        NotPointwiseError: It is not known to be pointwise.
    """
    if kwargs and name not in _OTHERS:
        raise NotPointwiseError(f"{name} with {', '.join(kwargs)} is not known")
    if name in _CALLS:
        inputs = [real(_value(arg)) for arg in args]
        return Value(_CALLS[name].format(*inputs))
    if name in _COMPARISONS:
        left, right = (real(_value(arg)) for arg in args)
        return Value(f"({left} {_COMPARISONS[name]} {right})", True)
    if name in _LOGIC:
        return Value(_LOGIC[name].format(*(truth(_value(arg)) for arg in args)), True)
    if name in _OTHERS:
        return _OTHERS[name](*args, **kwargs)
    raise NotPointwiseError(f"{name} is not an operation on each element alone that is known")


def _value(arg: Any) -> Value:
    return arg if isinstance(arg, Value) else constant(arg)


_COMPARISONS = {"ge": ">=", "gt": ">", "le": "<=", "lt": "<", "eq": "==", "ne": "!="}
_LOGIC = {
    "logical_and": "({} & {})",
    "bitwise_and": "({} & {})",
    "logical_or": "({} | {})",
    "bitwise_or": "({} | {})",
    "logical_xor": "({} ^ {})",
    "bitwise_xor": "({} ^ {})",
    "logical_not": "negation({})",
    "bitwise_not": "negation({})",
}
_CALLS = {
    "mul": "({} * {})",
    "div": "({} / {})",
    "neg": "(-{})",
    "exp": "exponential({})",
    "log": "logarithm({})",
    "sqrt": "root({})",
    "rsqrt": "(R(1.0) / root({}))",
    "reciprocal": "(R(1.0) / {})",
    "square": "({0} * {0})",
    "abs": "absolute({})",
    "sign": "sign({})",
    "sgn": "sign({})",
    "floor": "lower({})",
    "ceil": "(-lower(-{}))",
    "round": "nearest({})",
    "trunc": "where({0} < R(0.0), -lower(-{0}), lower({0}))",
    "sin": "sine({})",
    "cos": "cosine({})",
    "tanh": "tangent_h({})",
    "atan": "arc_tangent({})",
    "erf": "error_function({})",
    "sigmoid": "(R(1.0) / (R(1.0) + exponential(-{})))",
    "sigmoid_backward": "({0} * (R(1.0) - {1}) * {1})",
    "tanh_backward": "({0} * (R(1.0) - {1} * {1}))",
    "relu": "maximum({}, R(0.0))",
    "threshold_backward": "where({1} <= {2}, R(0.0), {0})",
    "maximum": "maximum({}, {})",
    "minimum": "minimum({}, {})",
    "clamp_min": "maximum({}, {})",
    "clamp_max": "minimum({}, {})",
}


def _add(left: Any, right: Any, *, alpha: float = 1) -> Value:
    left, right = real(_value(left)), real(_value(right))
    if alpha == 1:
        return Value(f"({left} + {right})")
    if alpha == -1:
        return Value(f"({left} - {right})")
    return Value(f"fused({right}, {constant(alpha).text}, {left})")


def _sub(left: Any, right: Any, *, alpha: float = 1) -> Value:
    return _add(left, right, alpha=-alpha)


def _rsub(left: Any, right: Any, alpha: float = 1) -> Value:
    return _add(right, left, alpha=-alpha)


def _addcmul(start: Any, left: Any, right: Any, *, value: float = 1) -> Value:
    start, left, right = (real(_value(part)) for part in (start, left, right))
    if value != 1:
        left = f"({constant(value).text} * {left})"
    return Value(f"fused({left}, {right}, {start})")


def _addcdiv(start: Any, left: Any, right: Any, *, value: float = 1) -> Value:
    start, left, right = (real(_value(part)) for part in (start, left, right))
    if value != 1:
        left = f"({constant(value).text} * {left})"
    return Value(f"({start} + {left} / {right})")


def _lerp(start: Any, end: Any, weight: Any) -> Value:
    return Value(
        "interpolated({}, {}, {})".format(*(real(_value(x)) for x in (start, end, weight)))
    )


def _where(chosen: Any, left: Any, right: Any) -> Value:
    left, right, chosen = _value(left), _value(right), truth(_value(chosen))
    if left.truth and right.truth:
        return Value(f"(({chosen} & {left.text}) | (negation({chosen}) & {right.text}))", True)
    return Value(f"where({chosen}, {real(left)}, {real(right)})")


def _masked_fill(values: Any, mask: Any, fill: Any) -> Value:
    return _where(mask, fill, values)


def _clamp(values: Any, low: Any = None, high: Any = None) -> Value:
    text = real(_value(values))
    if isinstance(low, (int, float)) and isinstance(high, (int, float)) and low == -high <= 0:
        return Value(f"limited({text}, {constant(high).text})")
    if low is not None:
        text = f"maximum({text}, {real(_value(low))})"
    if high is not None:
        text = f"minimum({text}, {real(_value(high))})"
    return Value(text)


def _pow(base: Any, exponent: Any) -> Value:
    text = real(_value(base))
    if not isinstance(base, Value) or isinstance(exponent, Value):
        return Value(f"power({text}, {real(_value(exponent))})")
    known = {0: "R(1.0)", 1: "{0}", 2: "({0} * {0})", 3: "({0} * {0} * {0})", 0.5: "root({0})"}
    known |= {-1: "(R(1.0) / {0})", -2: "(R(1.0) / ({0} * {0}))"}
    if exponent in known:
        return Value(known[exponent].format(text))
    return Value(f"power({text}, {constant(exponent).text})")


def _nan_to_num(values: Any, nan: Any = None, high: Any = None, low: Any = None) -> Value:
    nan = ZERO if nan is None else constant(nan)
    top = "LARGEST" if high is None else constant(high).text
    bottom = "(-LARGEST)" if low is None else constant(low).text
    return Value(f"numbers({real(_value(values))}, {nan.text}, {top}, {bottom})")


def _is_nan(values: Any) -> Value:
    text = real(_value(values))
    return Value(f"({text} != {text})", True)


def _is_inf(values: Any) -> Value:
    return Value(f"(absolute({real(_value(values))}) == INFINITE)", True)


def _is_finite(values: Any) -> Value:
    return Value(f"(absolute({real(_value(values))}) <= LARGEST)", True)


def _copy(values: Any, *, dtype: torch.dtype | None = None, **_: Any) -> Value:
    values = _value(values)
    if dtype is None:
        return values
    return Value(truth(values), True) if dtype == torch.bool else Value(real(values))


_OTHERS: dict[str, Callable[..., Value]] = {
    "add": _add,
    "sub": _sub,
    "rsub": _rsub,
    "addcmul": _addcmul,
    "addcdiv": _addcdiv,
    "lerp": _lerp,
    "where": _where,
    "masked_fill": _masked_fill,
    "clamp": _clamp,
    "pow": _pow,
    "nan_to_num": _nan_to_num,
    "isnan": _is_nan,
    "isinf": _is_inf,
    "isfinite": _is_finite,
    "_to_copy": _copy,
}
