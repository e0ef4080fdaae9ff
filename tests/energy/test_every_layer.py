"""A meter never changes what torch's layers do, with a rule for them or without."""

from collections.abc import Mapping

import pytest
import torch
from torch import nn

from energy.metering import events
from picojoule.energy import Meter


@pytest.mark.parametrize(
    "layer",
    [
        *(pool(2) for pool in (nn.MaxPool1d, nn.AvgPool1d, nn.AdaptiveAvgPool1d)),
        *(nn.AdaptiveMaxPool1d(2), nn.LPPool1d(2, 2), nn.ZeroPad1d(2)),
        *(nn.Dropout(), nn.Dropout1d(), nn.AlphaDropout(), nn.FeatureAlphaDropout()),
        *(nn.ReLU(inplace=True), nn.Hardtanh(inplace=True), nn.Threshold(0.1, 0.0)),
        *(nn.BatchNorm1d(3), nn.GroupNorm(1, 3), nn.InstanceNorm1d(3), nn.LayerNorm(8)),
        *(nn.Upsample(scale_factor=2), nn.ChannelShuffle(3), nn.Identity(), nn.Flatten()),
        *(nn.ReflectionPad1d(1), nn.CircularPad1d(1), nn.ConstantPad1d(1, 0.5), nn.Softmax(1)),
        *(nn.MaxPool1d(2, return_indices=True), nn.Unflatten(2, (2, 4)), nn.Conv1d(3, 2, 1)),
    ],
    ids=repr,
)
@pytest.mark.parametrize("inputs", ["events", "levels", "analog"])
def test_every_layer_runs_as_it_does_without_a_meter(layer, inputs):
    x = events(2, 3, 8)
    torch.manual_seed(0)
    expected = layer(x.clone())
    torch.manual_seed(0)
    with Meter(layer, samples=2, inputs=inputs) as meter:
        result = layer(x.clone())
    first, second = (r[0] if isinstance(r, tuple) else r for r in (expected, result))
    assert torch.equal(first, second)
    assert isinstance(meter.counts, Mapping)
