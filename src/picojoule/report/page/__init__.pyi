from .run_page import RunRecord as RunRecord
from .run_page import run_page as run_page
from .sweep_page import sweep_page as sweep_page
