from . import plots as plots
from .measured import measure as measure
from .record import Accuracy as Accuracy
from .record import BudgetReport as BudgetReport
from .record import LimitReport as LimitReport
from .record import RecipeId as RecipeId
from .record import Report as Report
from .record import versions as versions
