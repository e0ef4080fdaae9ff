"""The numbers that every compiled loop takes, said once for C, numba and Triton."""

from typing import NamedTuple

BLOCK = 512  # elements that pass through time together, at most


class Sizes(NamedTuple):
    """The numbers of one call; a step and a row are strides from one step or period to the next.

    Attributes:
        steps: T.
        period: Elements of a period of the parameters.
        elements: Elements of one step.
        per_period: Blocks of a period.
        block: Elements of a block.
        threads: Threads that share the blocks.
        x_step, x_row: Strides of the currents.
        o_step, o_row: Strides of the output.
        g_step, g_row: Strides of the output's gradient.
        q_step, q_row: Strides of the currents' gradient.
        past: Whether what is written goes past the caches.
    """

    steps: int
    period: int
    elements: int
    per_period: int
    block: int
    threads: int
    x_step: int
    x_row: int
    o_step: int
    o_row: int
    g_step: int
    g_row: int
    q_step: int
    q_row: int
    past: int

    @property
    def blocks(self) -> int:
        """Blocks in all."""
        return -(-self.elements // self.period) * self.per_period


C_STRUCT = f"typedef struct {{ int64_t {', '.join(Sizes._fields)}; }} Sizes;\n"
