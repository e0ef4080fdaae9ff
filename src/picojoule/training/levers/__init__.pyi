from .base import Lever as Lever
from .base import kinds as kinds
from .base import lever as lever
from .base import settle as settle
from .gates import Gates as Gates
from .weights import Weights as Weights
