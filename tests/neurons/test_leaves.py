"""Leaves of a state: as torch's own walk finds them."""

from collections import namedtuple
from typing import NamedTuple

import pytest
import torch

from picojoule._torch import pytree
from picojoule.engine.leaves import flatten, unflatten

Old = namedtuple("Old", "a b")


class Nested(NamedTuple):
    inner: Old
    last: torch.Tensor


class Derived(Old):
    pass


A, B = torch.zeros(2), torch.ones(3)


@pytest.mark.parametrize(
    "state",
    [A, (), (A,), (A, B), [A, B], {"a": A}, Old(A, B), Nested(Old(A, B), B), Old(A, 1), (A, None)],
    ids=lambda state: f"{type(state).__name__} of {len(state)}",
)
def test_leaves_and_structure_are_those_of_torch(state):
    leaves, structure = flatten(state)
    expected, same = pytree.tree_flatten(state)
    assert structure == same
    assert hash(structure) == hash(same)
    assert [id(one) for one in leaves] == [id(one) for one in expected]
    again = unflatten(leaves, structure)
    assert type(again) is type(state)
    assert [id(one) for one in pytree.tree_leaves(again)] == [id(one) for one in expected]


def test_a_class_derived_from_a_named_tuple_is_a_leaf_as_for_torch():
    state = Derived(A, B)
    assert flatten(state)[1] == pytree.tree_flatten(state)[1]


def test_structures_of_two_kinds_differ():
    assert flatten(Old(A, B))[1] != flatten((A, B))[1]
