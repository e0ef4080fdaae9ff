"""Pooling of events, border windows included."""

import pytest
import torch
import torch.nn.functional as F

from energy.metering import Two, arrived, events, run, total

IMAGE = events(2, 1, 6, 6)
AVERAGE = {
    "padded": lambda x: F.avg_pool2d(x, 3, 2, 1),
    "padding not counted": lambda x: F.avg_pool2d(x, 3, 2, 1, count_include_pad=False),
    "ceil": lambda x: F.avg_pool2d(x, 4, 4, ceil_mode=True),
    "ceil, nothing over": lambda x: F.avg_pool2d(x, 3, 3, ceil_mode=True),
    "ceil, padded": lambda x: F.avg_pool2d(x, 3, 2, 1, ceil_mode=True),
    "divisor": lambda x: F.avg_pool2d(x, 2, divisor_override=3),
    "adaptive, uneven": lambda x: F.adaptive_avg_pool2d(x, 4),
    "adaptive, uneven one way": lambda x: F.adaptive_avg_pool2d(x, (3, 5)),
    "adaptive, even": lambda x: F.adaptive_avg_pool2d(x, (2, 3)),
    "global": lambda x: F.adaptive_avg_pool2d(x, 1),
}
LARGEST = {
    "padded": lambda x: F.max_pool2d(x, 3, 2, 1),
    "dilated": lambda x: F.max_pool2d(x, 2, 2, 0, 2),
    "ceil": lambda x: F.max_pool2d(x, 4, 4, ceil_mode=True),
    "with index": lambda x: F.max_pool2d(x, 3, 1, return_indices=True)[0],
    "adaptive": lambda x: F.adaptive_max_pool2d(x, (4, 5)),
}
MOVES = {
    "flatten": lambda x: x.flatten(1),
    "nowhere": lambda x: x,
    "permute": lambda x: x.permute(2, 0, 3, 1),
    "index": lambda x: x[:, :, :, 0],
    "split": lambda x: x.unbind(2)[-1],
    "cat": lambda x: torch.cat([x, x]),
    "cat along the map": lambda x: torch.cat([x, x], dim=-1),
    "flatten, cat": lambda x: torch.cat([x.flatten(1)] * 2, dim=1),
    "stack": lambda x: torch.stack([x, x], dim=-1),
    "scale": lambda x: x.flatten(1) * 0.5,
}


def levels(pool, image):
    """Events in each window: one after the other, those whose window feels them."""
    result = torch.zeros_like(pool(image))
    for index in image.nonzero():
        one = torch.zeros_like(image)
        one[tuple(index)] = 1
        result += pool(one) > 0
    return result


@pytest.mark.parametrize("name", AVERAGE)
@pytest.mark.parametrize("move", MOVES)
def test_levels_keep_their_worth_where_they_go(name, move):
    pool = AVERAGE[name]
    kind, found = arrived(lambda x: MOVES[move](pool(x)), IMAGE)
    expected = MOVES[move](levels(pool, IMAGE)).sum().item() * (2 if move == "scale" else 1)
    assert kind.name == "levels"
    assert found == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("name", AVERAGE)
@pytest.mark.parametrize(
    "after",
    [
        lambda x: F.avg_pool2d(x, 1),
        lambda x: F.avg_pool2d(x, x.shape[-2:], count_include_pad=False),
        lambda x: F.avg_pool2d(F.pad(x, (0, 1)), (1, 2), (1, 2), (0, 1), count_include_pad=False),
        lambda x: F.max_pool2d(x, 1),
        lambda x: F.max_pool2d(x, x.shape[-2:]),
        lambda x: x.sum(-1),
        lambda x: x.mean((-2, -1)),
        lambda x: x.amax(-1),
    ],
    ids=["again", "global", "border", "largest", "the largest", "sum", "mean", "amax"],
)
def test_means_of_means_are_levels_where_all_are_worth_the_same(name, after):
    kind, found = arrived(lambda x: after(AVERAGE[name](x)), IMAGE)
    values = after(AVERAGE[name](IMAGE))
    if kind.name == "graded":  # events of unequal worth in one value are no levels any more
        assert name in ("padding not counted", "ceil", "ceil, padded") or "uneven" in name
        assert found == values.count_nonzero().item()
    elif isinstance(kind.scale, float):
        assert kind.name == "levels"
        assert found == pytest.approx(values.sum().item() / float(kind.scale), rel=1e-6)
    else:
        assert found == pytest.approx((values / kind.scale).sum().item(), rel=1e-6)


@pytest.mark.parametrize("name", AVERAGE)
def test_every_event_is_pooled_once_per_window(name):
    meter = run(Two(lambda net, x: AVERAGE[name](x)), IMAGE)
    assert total(meter, "pool") == levels(AVERAGE[name], IMAGE).sum().item()
    dense = run(Two(lambda net, x: AVERAGE[name](x)), IMAGE, inputs="analog")
    assert total(dense, "pool") == levels(AVERAGE[name], torch.ones_like(IMAGE)).sum().item()


@pytest.mark.parametrize("name", LARGEST)
def test_the_largest_of_a_window_is_an_event(name):
    kind, found = arrived(LARGEST[name], IMAGE)
    assert (kind.name, kind.scale) == ("events", 1.0)
    assert found == LARGEST[name](IMAGE).sum().item()


@pytest.mark.parametrize("name", LARGEST)
def test_largest_counts_the_events_it_looks_at(name):
    meter = run(Two(lambda net, x: LARGEST[name](x)), IMAGE)
    seen = 0
    for index in IMAGE.nonzero():
        lone = torch.full_like(IMAGE, -1.0)
        lone[tuple(index)] = 1
        seen += (LARGEST[name](lone) > 0).sum().item()
    assert total(meter, "pool") == seen


@pytest.mark.parametrize(
    ("function", "size"),
    [
        (lambda x: F.avg_pool1d(x, 2), (2, 3, 8)),
        (lambda x: F.max_pool1d(x, 2), (2, 3, 8)),
        (lambda x: F.avg_pool3d(x, 2), (2, 3, 4, 4, 4)),
        (lambda x: F.max_pool3d(x, 2), (2, 3, 4, 4, 4)),
        (lambda x: F.adaptive_avg_pool3d(x, 2), (2, 3, 4, 4, 4)),
        (lambda x: F.adaptive_avg_pool1d(x, 4), (2, 3, 8)),
    ],
)
def test_in_one_and_three_dimensions(function, size):
    x = events(*size)
    assert total(run(Two(lambda net, x: function(x)), x), "pool") == x.sum().item()
