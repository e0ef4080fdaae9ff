"""Training: a generator that tells what it does, and a report of what came of it."""

import torch

import picojoule as pj
from picojoule.units import format_energy

torch.manual_seed(0)

# The digits that come with scikit-learn, in three parts: to learn from, to choose by, to judge by.
splits, encode = pj.data.load("digits"), pj.data.Latency(steps=8)
training = pj.data.loader(splits.train, encode, batch_size=64, shuffle=True)
validation = pj.data.loader(splits.validation, encode, batch_size=64)
test = pj.data.loader(splits.test, encode, batch_size=64)

# A network by name: two hidden layers of LIF neurons and a leaky readout.
net = pj.network("mlp", inputs=(1, 8, 8), classes=10, neuron=pj.LIF, width=64)
epochs = 8
optimizer = torch.optim.Adam(net.parameters(), lr=4e-3)

# One record for each step, one with `history` at each epoch's end. Stop iterating, and it stops.
for log in pj.train(
    net,
    training,
    optimizer,
    criterion=torch.nn.CrossEntropyLoss(),
    readout=pj.readout.mean,
    chip=pj.load_chip("45nm"),
    validation=validation,
    epochs=epochs,
    inputs=encode.kind,
):
    if log.history:
        seen = log.validation
        print(
            f"epoch {log.epoch}  loss {log.loss.item():.3f}  "
            f"validation {seen.accuracy:.3f} at {format_energy(seen.energy_pj)}"
        )

# The network now has the weights of the epoch that was best on the validation split.
print(f"epoch {log.chosen.epoch} chosen")

chips = [pj.load_chip(name) for name in ("45nm", "45nm-sram")]
report = pj.measure(net, test, readout=pj.readout.mean, chips=chips, inputs="events", ann_steps=1)
print(f"test accuracy {report.accuracy.test:.3f}, {report.spikes_per_neuron:.2f} spikes per neuron")
for name, chip in report.chips.items():
    print(f"{name:<9} {format_energy(chip.total_pj)}, dense ANN {format_energy(chip.ann_pj)}")
