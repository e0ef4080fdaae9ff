from .run_page import RunRecord as RunRecord
from .run_page import run_page as run_page
