from .base import Call as Call
from .base import Outcome as Outcome
from .base import Rule as Rule
from .table import RULES as RULES
