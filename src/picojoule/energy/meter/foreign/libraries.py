"""Neurons of snnTorch, SpikingJelly and Norse, known by name.

None of these libraries is imported: a module is known by the package and the name of its class, or
of the nearest class that it derives from.

**What an update costs** is counted from the library's own update equation, after collecting terms
as one would before building it: factors that never change are one factor; the membrane is measured
from its resting value; a factor on the whole input goes into the weights before it, a factor on the
argument of a function into the function. Each product that remains is a multiplication, each sum an
addition (the input's included), each value kept from step to step a word of state. As for
picojoule's own neurons, the comparison with the threshold and what only spikes cause (reset,
adaptation) cost nothing. Exponentials and other functions of a membrane are not counted either,
because no chip here has a price for them.

**What arrives inside.** Some neurons hold synapses (recurrent ones, and those with input weights).
They are counted exactly like any other, below the neuron's name.
"""

from dataclasses import replace

from torch import nn

from picojoule.energy.meter.foreign.describe import Foreign, Table
from picojoule.energy.meter.foreign.norse import NORSE
from picojoule.energy.meter.foreign.snntorch import SNNTORCH
from picojoule.energy.meter.foreign.spikingjelly import SPIKINGJELLY

FOREIGN = {"snntorch": SNNTORCH, "spikingjelly": SPIKINGJELLY, "norse": NORSE}

# Leaky integrators that fire, whatever they are called: what their circuits cost is that of a LIF.
_LIF = frozenset(
    """Leaky RLeaky Lapicque StateLeaky LinearLeaky LIFNode SimpleLIFNode ParametricLIFNode KLIFNode
    OTTTLIFNode SLTTLIFNode LIFBoxCell LIF LIFCell LIFRecurrent LIFRecurrentCell""".split()
)


def known(module: nn.Module) -> Foreign | None:
    """Returns what is known of a module as a layer of neurons, None if its type is not known.

    It may depend on how the module was set up, and is to be asked again once that has changed.
    """
    for kind in type(module).__mro__:
        if is_known(kind):
            entry = _table(kind)[kind.__name__]
            about = entry if isinstance(entry, Foreign) else entry(module)
            return replace(about, species="LIF") if kind.__name__ in _LIF else about
    return None


def is_known(kind: type) -> bool:
    """Tells whether a type is in the tables itself."""
    return kind.__name__ in _table(kind)


def _table(kind: type) -> Table:
    return FOREIGN.get(kind.__module__.split(".")[0], {})
