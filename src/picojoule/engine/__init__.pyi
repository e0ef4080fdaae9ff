from .verdict import Verdict as Verdict
from .verdict import engines as engines
