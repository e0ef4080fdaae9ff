"""The whole numbers that compiled functions take, named once for Python, C, numba and Triton."""

from typing import Any, NamedTuple

BLOCK = 512  # elements that pass through time together, at most


class LoopSizes(NamedTuple):
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


class ConvSizes(NamedTuple):
    """The numbers of one convolution.

    Attributes:
        images, channels, height, width: Of the input.
        outputs, rows, cols: Of the output: channels, height, width.
        kernel_y, kernel_x: Taps along each axis.
        stride_y, stride_x: Of both axes.
        pad_y, pad_x: Zeros before and after each axis.
        last: Whether channels are last in memory, of images and of outputs.
    """

    images: int
    channels: int
    height: int
    width: int
    outputs: int
    rows: int
    cols: int
    kernel_y: int
    kernel_x: int
    stride_y: int
    stride_x: int
    pad_y: int
    pad_x: int
    last: int


def c_struct(kind: type[Any]) -> str:
    """Returns the C type of these numbers, of the same name."""
    return f"typedef struct {{ int64_t {', '.join(kind._fields)}; }} {kind.__name__};\n"
