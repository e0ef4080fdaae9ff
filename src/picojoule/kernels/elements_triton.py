"""Functions of one element for loops that Triton compiles; the names are those of pointwise.py.

Where Triton's own is rough in float32 (a division, a root, ``exp``) or takes the smallest numbers
for zero (``floor``), another one stands here.
"""

import math

import triton  # pyright: ignore[reportMissingImports]
import triton.language as tl  # pyright: ignore[reportMissingImports]
from triton.language.extra import libdevice  # pyright: ignore[reportMissingImports]

_SHARES = tl.constexpr(tuple(1 / math.factorial(k) for k in range(14)))


@triton.jit
def number(x: tl.constexpr, like):
    """Returns a number of the type of another."""
    return tl.full((), x, like.dtype)


@triton.jit
def where(chosen, a, b):
    """Returns the first if chosen, else the second."""
    return tl.where(chosen, a, b)


@triton.jit
def negation(a):
    """Returns the opposite truth value."""
    return ~a


@triton.jit
def fused(a, b, c):
    """Returns a * b + c, rounded once."""
    return tl.fma(a, b, c)


@triton.jit
def divided(a, b):
    """Returns a / b, rounded to the nearest."""
    return a / b if a.dtype == tl.float64 else tl.div_rn(a, b)


@triton.jit
def absolute(x):
    """Returns the magnitude."""
    return tl.abs(x)


@triton.jit
def root(x):
    """Returns the square root."""
    return tl.sqrt(x) if x.dtype == tl.float64 else tl.sqrt_rn(x)


@triton.jit
def nearest(x):
    """Returns the nearest whole number, the even one of two; from 2^23 or 2^52 on all are whole."""
    far = number(4503599627370496.0 if x.dtype == tl.float64 else 8388608.0, x)
    away = tl.where(x < 0, -far, far)
    return tl.where(tl.abs(x) < far, (x + away) - away, x)


@triton.jit
def lower(x):
    """Returns the next whole number below."""
    whole = nearest(x)
    return tl.where(whole > x, whole - 1, whole)


@triton.jit
def sign(x):
    """Returns -1, 0 or 1."""
    return (x > 0).to(x.dtype) - (x < 0).to(x.dtype)


@triton.jit
def maximum(a, b):
    """Returns the larger, or NaN if one is NaN."""
    return tl.where((a >= b) | (a != a), a, b)


@triton.jit
def minimum(a, b):
    """Returns the smaller, or NaN if one is NaN."""
    return tl.where((a <= b) | (a != a), a, b)


@triton.jit
def limited(x, most):
    """Returns x, clipped to the range from -most to most."""
    return tl.where(tl.abs(x) > most, tl.where(x > 0, most, -most), x)


@triton.jit
def _two_to(n, whole: tl.constexpr, bias: tl.constexpr, mantissa: tl.constexpr):
    """Returns 2**n for whole n that is an exponent of the type."""
    return ((n.to(whole) + bias) << mantissa).to(n.dtype, bitcast=True)


@triton.jit
def exponential(x):
    """Returns exp(x) = 2^n exp(r) as in C, with 2^n in two halves."""
    double: tl.constexpr = x.dtype == tl.float64
    whole: tl.constexpr = tl.int64 if double else tl.int32
    bias: tl.constexpr = 1023 if double else 127
    mantissa: tl.constexpr = 52 if double else 23
    most = number(710.0 if double else 89.0, x)
    least = number(-746.0 if double else -104.0, x)
    high = number(-6.93147180369123816490e-01 if double else -0.693359375, x)
    low = number(-1.90821492927058770002e-10 if double else 2.12194440e-4, x)
    terms: tl.constexpr = 13 if double else 7
    x = maximum(minimum(x, most), least)
    n = nearest(x * number(1.44269504088896340736, x))
    r = tl.fma(n, low, tl.fma(n, high, x))
    series = tl.fma(r, number(_SHARES[terms], x), number(_SHARES[terms - 1], x))
    for k in tl.static_range(terms - 2, -1, -1):
        series = tl.fma(series, r, number(_SHARES[k], x))
    half = lower(n * number(0.5, x))
    first = _two_to(half, whole, bias, mantissa)
    return series * first * _two_to(n - half, whole, bias, mantissa)


@triton.jit
def logarithm(x):
    """Returns the natural logarithm."""
    return tl.log(x)


@triton.jit
def sine(x):
    """Returns sin(x)."""
    return tl.sin(x)


@triton.jit
def cosine(x):
    """Returns cos(x)."""
    return tl.cos(x)


@triton.jit
def tangent_h(x):
    """Returns tanh(x)."""
    return libdevice.tanh(x)


@triton.jit
def arc_tangent(x):
    """Returns atan(x)."""
    return libdevice.atan(x)


@triton.jit
def error_function(x):
    """Returns erf(x)."""
    return tl.erf(x)


@triton.jit
def power(x, y):
    """Returns x to the power of y."""
    return libdevice.pow(x, y)


@triton.jit
def numbers(x, nan, top, bottom):
    """Returns x, with numbers in place of NaN and infinities."""
    infinite = number(float("inf"), x)
    x = tl.where(x != x, nan, x)
    x = tl.where(x == infinite, top, x)
    return tl.where(x == -infinite, bottom, x)


@triton.jit
def interpolated(start, end, weight):
    """Interpolates from start to end, beginning at the nearer of them."""
    low = tl.fma(weight, end - start, start)
    high = tl.fma(weight - number(1.0, weight), end - start, end)
    return tl.where(tl.abs(weight) < number(0.5, weight), low, high)
