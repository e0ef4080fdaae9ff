from .cache import cache_folder as cache_folder
from .cache import prepared as prepared
from .download import fetch as fetch
from .download import get as get
