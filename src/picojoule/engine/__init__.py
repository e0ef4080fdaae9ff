"""How a neuron's steps run over time: one after the other, or compiled to one loop."""
