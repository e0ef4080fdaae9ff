"""A convolutional network of SpikingJelly in multi-step mode, kept within a budget."""

import torch
import torch.nn.functional as F
from spikingjelly.activation_based import functional, layer, neuron
from torch import nn

import picojoule as pj
from picojoule.units import format_energy

splits, encode = pj.data.load("digits"), pj.data.Latency(steps=6)
training = pj.data.loader(splits.train, encode, batch_size=64, shuffle=True)
(x_test, _), label_test = encode(splits.test.x), splits.test.y
chip = pj.load_chip("45nm-sram")


def network():
    net = nn.Sequential(
        *(layer.Conv2d(1, 8, 3, padding=1, bias=False), layer.BatchNorm2d(8), neuron.IFNode()),
        *(layer.MaxPool2d(2), layer.Flatten()),
        *(layer.Linear(128, 64), neuron.LIFNode(tau=2.0), layer.Linear(64, 10)),
    )
    functional.set_step_mode(net, "m")
    return net


def train(penalty):
    torch.manual_seed(0)
    net = network()
    optimizer = torch.optim.Adam(net.parameters(), lr=4e-3)
    for _ in range(5):
        for x, label, _ in training:
            with pj.Meter(net, samples=len(label), inputs="events") as meter:  # the first line
                out = net(x)
            loss = F.cross_entropy(out.mean(0), label)
            loss += penalty(energy := chip.price(meter.counts), meter.traffic)  # the second
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            penalty.update(energy)  # the third, for penalties that learn: a budget does
            functional.reset_net(net)
    return net.eval()


def test(net):
    with torch.no_grad(), pj.Meter(net, samples=len(label_test), inputs="events") as meter:
        correct = net(x_test).mean(0).argmax(1) == label_test
    energy = chip.price(meter.counts)
    spent, floor = (format_energy(e.item()) for e in (energy.total, energy.floor))
    print(f"test accuracy {correct.float().mean():.3f} at {spent}, of which {floor} are the floor")
    return energy


free = test(train(pj.FixedPrice(weight=0)))
reducible = (free.total - free.floor).item()
budget = pj.EnergyBudget(limit_pj=free.floor.item() + 0.5 * reducible)
print(f"with a budget of {format_energy(budget.limit_pj)}")
test(train(budget))
