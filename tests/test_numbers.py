"""Arithmetic of single numbers: the same of Python's own and of tensors."""

import math

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from picojoule._numbers import at_least, at_most, if_finite, log, number, tensor_of

VALUES = [-2.5, 0.0, 0.3, 7.0, math.inf, -math.inf, math.nan]


def both(function, *values):
    """The result of numbers, and that of the same numbers as tensors."""
    tensors = [torch.tensor(one, dtype=torch.float64) for one in values]
    return function(*values), function(*tensors).item()


@pytest.mark.parametrize("value", VALUES)
def test_tensors_and_numbers_give_the_same(value):
    for function in (
        lambda one: at_least(one, 0.3),
        lambda one: at_most(one, 0.3),
        lambda one: if_finite(one, one + 1, one * 0 + 4),
    ):
        one, other = both(function, value)
        assert one == pytest.approx(other, nan_ok=True)
    if value > 0:
        one, other = both(log, value)
        assert one == pytest.approx(other)


def test_a_number_of_the_cpu_is_read_and_has_no_graph():
    value = torch.tensor(2.0, requires_grad=True) * 3
    assert number(value) == 6.0
    assert type(number(value)) is float


def test_a_mode_that_sees_operations_sees_tensors():
    class Looks(TorchDispatchMode):
        def __torch_dispatch__(self, func, types, args=(), kwargs=None):
            return func(*args, **(kwargs or {}))

    value = torch.tensor(2.0)
    with Looks():
        assert isinstance(number(value), torch.Tensor)


def test_a_number_becomes_a_tensor_again():
    assert tensor_of(0.1).dtype == torch.float64
    assert tensor_of(0.1).item() == 0.1
    one = torch.ones(())
    assert tensor_of(one) is one
