"""A budget: the same network, trained to spend half."""

import torch

import picojoule as pj
from picojoule.units import format_energy

splits, encode = pj.data.load("digits"), pj.data.Latency(steps=8)
training = pj.data.loader(splits.train, encode, batch_size=64, shuffle=True)
validation = pj.data.loader(splits.validation, encode, batch_size=64)
test = pj.data.loader(splits.test, encode, batch_size=64)
chip = pj.load_chip("45nm")


def train(penalty=None):
    """A trained network's test report, and the last record of its training."""
    torch.manual_seed(0)
    net = pj.network("mlp", inputs=(1, 8, 8), classes=10, width=64)
    *_, log = pj.train(
        net,
        training,
        torch.optim.Adam(net.parameters(), lr=4e-3),
        criterion=torch.nn.CrossEntropyLoss(),
        readout=pj.readout.mean,
        chip=chip,
        penalty=penalty,
        validation=validation,
        epochs=10,
        inputs="events",
    )
    return pj.measure(net, test, readout=pj.readout.mean, chips=[chip], inputs="events"), log


def tell(report):
    cost = report.chips["45nm"]
    spent, floor = format_energy(cost.total_pj), format_energy(cost.floor_pj)
    print(f"test accuracy {report.accuracy.test:.3f} at {spent}, of which {floor} are the floor")


print("without a budget")
free, log = train()
tell(free)

# Half of what the free network spends on the validation split. The multiplier rises while the limit
# is exceeded and falls where it is not; the best validation epoch within the limit is kept.
budget = pj.EnergyBudget(limit_pj=0.5 * log.chosen.energy_pj)
print(f"with a budget of {format_energy(budget.limit_pj)}")
kept, log = train(budget)
print("multiplier", *(f"{epoch.multiplier:.2f}" for epoch in log.history))
tell(kept)
ratio = kept.chips["45nm"].total_pj / budget.limit_pj
print(f"{'met' if ratio <= 1 else 'missed'}: {ratio:.0%} of the budget")
