"""A recurrent network of Norse, and a penalty from the literature."""

import norse.torch as norse
import torch
import torch.nn.functional as F

import picojoule as pj
from picojoule.units import format_energy

splits, encode = pj.data.load("digits"), pj.data.Latency(steps=12)
training = pj.data.loader(splits.train, encode, batch_size=64, shuffle=True)
(x_test, _), label_test = encode(splits.test.x), splits.test.y
chip = pj.load_chip("45nm")


def network():
    """Recurrent spiking neurons, which hold their own weights, and leaky integrators."""
    fast = norse.LIFParameters(tau_mem_inv=torch.tensor(300.0), v_th=torch.tensor(0.5))
    return norse.SequentialState(
        torch.nn.Flatten(2),
        norse.LIFRecurrent(64, 48, fast),
        norse.Lift(torch.nn.Linear(48, 10)),
        norse.LI(),
    )


def train(weight):
    torch.manual_seed(0)
    net, penalty = network(), pj.SynapticPenalty(weight)
    optimizer = torch.optim.Adam(net.parameters(), lr=4e-3)
    for _ in range(5):
        for x, label, _ in training:
            with pj.Meter(net, samples=len(label), inputs="events") as meter:  # the first line
                voltages, _ = net(x)
            loss = F.cross_entropy(voltages[-1], label)
            loss += penalty(chip.price(meter.counts), meter.traffic)  # the second
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    return net


for weight in (0, 5e-5):
    net = train(weight)
    with torch.no_grad(), pj.Meter(net, samples=len(label_test), inputs="events") as meter:
        correct = net(x_test)[0][-1].argmax(1) == label_test
    energy = chip.price(meter.counts)
    parts = ", ".join(f"{name} {format_energy(e.item())}" for name, e in energy.by_layer.items())
    print(f"weight {weight}: test accuracy {correct.float().mean():.3f} at", end=" ")
    print(f"{format_energy(energy.total.item())} ({parts})")
