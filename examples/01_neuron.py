"""A neuron: currents in, spikes out, and a state that is a value."""

import torch

import picojoule as pj

# Times are in seconds. At each step the membrane leaks by exp(-dt / tau) and takes in its current;
# where it reaches the threshold the neuron fires and starts again from zero.
neuron = pj.LIF(tau=20e-3, dt=1e-3, threshold=1.0)

# Time comes first: currents [T, B, N]. Here 60 steps, one sample, three neurons.
strengths = torch.tensor([0.04, 0.08, 0.16])
currents = strengths.repeat(60, 1, 1).requires_grad_()
spikes, state = neuron(currents)

for n, strength in enumerate(strengths.tolist()):
    train = "".join("|" if fired else "." for fired in spikes[:, 0, n].tolist())
    print(f"current {strength:.2f}  {train}  {int(spikes[:, 0, n].sum())} spikes")

# Below threshold * (1 - exp(-dt / tau)) = 0.049 the leak wins, and the neuron never fires.
membrane = state.membrane[0, 0].item()
print(f"after 60 ms the first neuron's membrane is at {membrane:.2f}, below its threshold of 1")

# No state hides in the module, so there is nothing to reset: a call without a state starts anew,
# and a call with one goes on. Two halves are the whole.
first, halfway = neuron(currents[:30])
second, _ = neuron(currents[30:], halfway)
print(f"two halves equal the whole: {torch.equal(torch.cat([first, second]), spikes)}")

# A spike is a step, which has no slope. Backward, a surrogate stands in for it, so that even the
# silent neuron has a gradient: this is what training, and a price on spikes, pull on.
spikes.sum().backward()
for n, strength in enumerate(strengths.tolist()):
    print(f"current {strength:.2f}  gradient {currents.grad[:, 0, n].sum().item():.0f}")
