"""A network of snnTorch, its own training loop, and two lines more."""

import snntorch as snn
import torch
import torch.nn.functional as F
from torch import nn

import picojoule as pj
from picojoule.units import format_energy

splits, encode = pj.data.load("digits"), pj.data.Latency(steps=8)
training = pj.data.loader(splits.train, encode, batch_size=64, shuffle=True)
(x_test, _), label_test = encode(splits.test.x), splits.test.y
chip = pj.load_chip("45nm")


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc1, self.lif1 = nn.Linear(64, 64), snn.Leaky(beta=0.9)
        self.fc2, self.lif2 = nn.Linear(64, 10), snn.Leaky(beta=0.9)

    def forward(self, x):
        mem1, mem2 = self.lif1.init_leaky(), self.lif2.init_leaky()
        mem2_rec = []
        for step in range(x.size(0)):
            spk1, mem1 = self.lif1(self.fc1(x[step].flatten(1)), mem1)
            _, mem2 = self.lif2(self.fc2(spk1), mem2)
            mem2_rec.append(mem2)
        return torch.stack(mem2_rec)


def train(weight):
    torch.manual_seed(0)
    net, penalty = Net(), pj.FixedPrice(weight, reference_pj=1_000)
    optimizer = torch.optim.Adam(net.parameters(), lr=4e-3)
    for _ in range(5):
        for x, label, _ in training:
            with pj.Meter(net, samples=len(label), inputs="events") as meter:  # the first line
                mem_rec = net(x)
            loss = F.cross_entropy(mem_rec.mean(0), label)
            loss += penalty(chip.price(meter.counts), meter.traffic)  # the second
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    return net


for weight in (0, 0.3):
    net = train(weight)
    with torch.no_grad(), pj.Meter(net, samples=len(label_test), inputs="events") as meter:
        correct = net(x_test).mean(0).argmax(1) == label_test
    energy = chip.price(meter.counts)
    parts = ", ".join(f"{name} {format_energy(e.item())}" for name, e in energy.by_layer.items())
    print(f"weight {weight}: test accuracy {correct.float().mean():.3f} at", end=" ")
    print(f"{format_energy(energy.total.item())} ({parts})")
