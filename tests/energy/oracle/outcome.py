"""What a run of the oracle did."""

from collections import Counter
from dataclasses import dataclass, field

import numpy as np

Counts = Counter[tuple[str, str]]


@dataclass
class Outcome:
    """What a run did.

    Attributes:
        counts: Totals over the batch, by layer and name of the count.
        hidden: Of these, what would not have been counted had no neuron fired.
        dense: Multiply-accumulates of the same layers in a dense ANN.
        fired: What each layer of neurons put out, [T, B, ...].
        output: What the network put out.
        sizes: Words of weights, biases, inputs and potentials of each layer of synapses.
        margin: How near a membrane came to its threshold.
        places: The layers of synapses, not convolutions, that work at several places.
        mixed: Whether hidden spikes were added to or joined with other events.
    """

    counts: Counts = field(default_factory=Counter)
    hidden: Counts = field(default_factory=Counter)
    dense: Counts = field(default_factory=Counter)
    fired: dict[str, np.ndarray] = field(default_factory=dict)
    sizes: dict[str, tuple[int, ...]] = field(default_factory=dict)
    output: np.ndarray = field(default_factory=lambda: np.zeros(0))
    places: set[str] = field(default_factory=set)
    margin: float = np.inf
    mixed: bool = False
