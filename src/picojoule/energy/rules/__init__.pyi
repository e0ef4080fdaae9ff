from .call import Call as Call
from .outcome import Outcome as Outcome
from .outcome import Rule as Rule
from .table import RULES as RULES
