from .call import Call as Call
from .outcome import Outcome as Outcome
from .outcome import Rule as Rule
from .outcome import Synapses as Synapses
from .table import RULES as RULES
