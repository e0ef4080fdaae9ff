from .stream import Stream as Stream
from .stream import stream as stream
