import math

import pytest
import torch

import picojoule as pj


def test_fixed_price_is_the_share_of_the_reference(energy):
    leaf = torch.tensor(300.0, dtype=torch.float64, requires_grad=True)
    penalty = pj.FixedPrice(weight=0.5, reference_pj=600.0)(energy(leaf))
    penalty.backward()
    assert penalty.dtype == torch.float32
    assert penalty.item() == 0.25
    assert leaf.grad is not None
    assert leaf.grad.item() == pytest.approx(0.5 / 600)


def test_the_first_batch_is_the_reference_where_none_is_given(energy):
    price = pj.FixedPrice(weight=0.1)
    assert price(energy(400.0)).item() == pytest.approx(0.1)
    price.update(energy(400.0))
    price.update(energy(100.0))
    assert price(energy(200.0)).item() == pytest.approx(0.05)


def test_the_reference_does_not_take_the_gradient(energy):
    leaf = torch.tensor(400.0, dtype=torch.float64, requires_grad=True)
    pj.FixedPrice(weight=0.1)(energy(leaf)).backward()
    assert leaf.grad is not None
    assert leaf.grad.item() == pytest.approx(0.1 / 400)


def test_the_reference_is_in_the_state(energy):
    price, again = pj.FixedPrice(weight=0.1), pj.FixedPrice(weight=0.1)
    price.update(energy(400.0))
    again.load_state_dict(price.state_dict())
    assert again(energy(200.0)).item() == pytest.approx(0.05)
    assert again.multiplier is None
    assert again.limit_pj is None


@pytest.mark.parametrize("weight", [-1.0, math.nan])
def test_weight_out_of_range(weight):
    with pytest.raises(ValueError, match="weight must be 0 or more"):
        pj.FixedPrice(weight)


@pytest.mark.parametrize("reference", [0.0, -1.0, math.nan])
def test_reference_out_of_range(reference):
    with pytest.raises(ValueError, match="reference_pj must be above 0"):
        pj.FixedPrice(1.0, reference)
