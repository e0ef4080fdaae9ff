"""Networks one step at a time."""

from picojoule.streaming.stream import Stream, stream

__all__ = ["Stream", "stream"]
