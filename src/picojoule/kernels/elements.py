"""Functions of one element for loops that numba compiles; the names are those of pointwise.py."""

import math

import numpy as np
from llvmlite import ir
from numba import njit
from numba.extending import intrinsic

_inline = njit(inline="always", error_model="numpy")


def _call(name, kind, args, builder):
    """Calls LLVM's own operation on numbers of one type."""
    typed = ir.FunctionType(kind, [kind] * len(args))
    return builder.call(builder.module.declare_intrinsic(name, [kind], typed), args)


@intrinsic
def fused(typing_context, a, b, c):
    """Returns a * b + c, rounded once."""
    del typing_context
    return a(a, a, a), lambda _, builder, __, args: _call("llvm.fma", args[0].type, args, builder)


@intrinsic
def lower(typing_context, x):
    """Returns the next whole number below."""
    del typing_context
    return x(x), lambda _, builder, __, args: _call("llvm.floor", args[0].type, args, builder)


@intrinsic
def nearest(typing_context, x):
    """Returns the nearest whole number, the even one of two."""
    del typing_context
    return x(x), lambda _, builder, __, args: _call("llvm.rint", args[0].type, args, builder)


@_inline
def where(chosen, a, b):
    """Returns the first if chosen, else the second."""
    return a if chosen else b


@_inline
def negation(a):
    """Returns the opposite truth value."""
    return not a


@_inline
def absolute(x):
    """Returns the magnitude."""
    return abs(x)


@_inline
def root(x):
    """Returns the square root."""
    return np.sqrt(x)


@_inline
def sign(x):
    """Returns -1, 0 or 1."""
    return type(x)((x > 0) - (x < 0))


@_inline
def maximum(a, b):
    """Returns the larger, or NaN if one is NaN."""
    return a if (a >= b) | (a != a) else b


@_inline
def minimum(a, b):
    """Returns the smaller, or NaN if one is NaN."""
    return a if (a <= b) | (a != a) else b


@_inline
def limited(x, most):
    """Returns x, clipped to the range from -most to most."""
    return x if not abs(x) > most else (most if x > 0 else -most)


@intrinsic
def two_to(typing_context, n):
    """Returns 2**n for whole n that is an exponent of the type; 0 for one below."""
    del typing_context

    def generate(_, builder, __, args):
        double = n.bitwidth == 64
        whole = ir.IntType(n.bitwidth)
        moved = builder.add(builder.fptosi(args[0], whole), whole(1023 if double else 127))
        return builder.bitcast(builder.shl(moved, whole(52 if double else 23)), args[0].type)

    return n(n), generate


def _exponential(kind, most, least, high, low, terms):
    """Makes exp(x) = 2 2^(n - 1) exp(r) as in C, which numba cannot vectorise otherwise."""
    number = getattr(np, kind)
    most, least, high, low = number(most), number(least), number(-high), number(-low)
    per_ln2, one, two = number(1.44269504088896340736), number(1), number(2)
    series = tuple(number(1 / math.factorial(k)) for k in range(terms, -1, -1))

    @_inline
    def exponential(x):
        x = maximum(minimum(x, most), least)
        n = nearest(x * per_ln2)  # pyright: ignore
        r = fused(n, low, fused(n, high, x))
        total = series[0]
        for term in series[1:]:
            total = fused(total, r, term)
        return total * two * two_to(n - one)  # pyright: ignore

    return exponential


exponential_float32 = _exponential("float32", 89, -87.4, 0.693359375, -2.12194440e-4, 7)
exponential_float64 = _exponential(
    "float64", 710, -708.4, 6.93147180369123816490e-01, 1.90821492927058770002e-10, 13
)


@_inline
def logarithm(x):
    """Returns the natural logarithm."""
    return np.log(x)


@_inline
def sine(x):
    """Returns sin(x)."""
    return np.sin(x)


@_inline
def cosine(x):
    """Returns cos(x)."""
    return np.cos(x)


@_inline
def tangent_h(x):
    """Returns tanh(x)."""
    return np.tanh(x)


@_inline
def arc_tangent(x):
    """Returns atan(x)."""
    return np.arctan(x)


@_inline
def error_function(x):
    """Returns erf(x)."""
    return type(x)(math.erf(x))


@_inline
def power(x, y):
    """Returns x to the power of y."""
    return x**y


@_inline
def numbers(x, nan, top, bottom):
    """Returns x, with numbers in place of NaN and infinities."""
    if x != x:
        return nan
    if x == np.inf:
        return top
    return bottom if x == -np.inf else x


@_inline
def interpolated(start, end, weight):
    """Interpolates from start to end, beginning at the nearer of them."""
    if abs(weight) < 0.5:
        return fused(weight, end - start, start)  # pyright: ignore
    return fused(weight - type(weight)(1), end - start, end)  # pyright: ignore
