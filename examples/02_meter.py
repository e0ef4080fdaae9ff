"""A meter counts what happened, a chip says what it costs."""

import torch
import torch.nn.functional as F
from torch import nn

import picojoule as pj
from picojoule.units import format_energy

torch.manual_seed(0)

# 64 handwritten digits as events: each bright pixel fires once, the brighter the earlier.
x, _ = pj.data.Latency(steps=8)(pj.data.load("digits").test.x[:64])  # [8, 64, 1, 8, 8]
conv, linear = nn.Conv2d(1, 8, 3, padding=1), nn.Linear(128, 10)
net = pj.Sequential(conv, pj.LIF(8), nn.AvgPool2d(2), nn.Flatten(), linear, pj.LI())

# Which values are events is known from where they come from; of the input it must be said.
with pj.Meter(net, inputs="events") as meter:
    net(x)
for layer, counts in sorted(meter.counts.items()):
    chosen = {n: f"{v:.1f}" for n, v in counts.items() if n in ("ac", "update", "spike")}
    print(f"layer {layer}: per sample {chosen}")

# The same counts on three chips, beside the same layers as a dense ANN that looks once. No training
# of the hidden spikes goes below the floor, which holds all that they do not cause.
for name in ("45nm", "45nm-int8", "45nm-sram"):
    chip = pj.load_chip(name)
    energy, ann = chip.price(meter.counts), chip.price(meter.dense(steps=1))
    total, floor, dense = (format_energy(e.item()) for e in (energy.total, energy.floor, ann.total))
    print(f"{name:<9} {total}, floor {floor}, dense ANN {dense}, {len(energy.excluded)} left out")


class Fire(nn.Module):
    def forward(self, current):
        return (current >= 1).float()


class Theirs(nn.Module):
    """Anyone's network: its own neurons and its own loop, functions in the place of layers."""

    def __init__(self):
        super().__init__()
        self.fire, self.w = Fire(), nn.Parameter(torch.rand(32, 64) / 8)
        self.v = nn.Parameter(torch.rand(10, 32) / 4)

    def forward(self, x):
        return sum(F.linear(self.fire(F.linear(step.flatten(1), self.w)), self.v) for step in x)


cost = {Fire: pj.NeuronCost(adds=1)}
with pj.Meter(theirs := Theirs(), samples=64, inputs="events", neurons=cost) as meter:
    theirs(x)
print(f"anyone's: {meter.counts['network'].ac:.1f} accumulates, not counted: {meter.uncounted}")
