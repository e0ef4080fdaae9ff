"""Fast loops over time and products of spikes: arrays in, arrays out, without any module."""

from picojoule.kernels.cc import tier
from picojoule.kernels.convolution import convolution_path_for, spike_conv2d
from picojoule.kernels.event_products import RowProduct, weight_gradient
from picojoule.kernels.launch import Call, Each
from picojoule.kernels.linear import EventProducts, spike_matmul
from picojoule.kernels.loop import NON_TEMPORAL_BYTES, Loops
from picojoule.kernels.lowering import BATCH, trace
from picojoule.kernels.paths import PATHS, limit_for, path_for, suits, version
from picojoule.kernels.pointwise import NotPointwiseError
from picojoule.kernels.pool import borrow
from picojoule.kernels.program import Program
from picojoule.kernels.recurrence import Band, Recurrence, shares

__all__ = [
    "BATCH",
    "NON_TEMPORAL_BYTES",
    "PATHS",
    "Band",
    "Call",
    "Each",
    "EventProducts",
    "Loops",
    "NotPointwiseError",
    "Program",
    "Recurrence",
    "RowProduct",
    "borrow",
    "convolution_path_for",
    "limit_for",
    "path_for",
    "shares",
    "spike_conv2d",
    "spike_matmul",
    "suits",
    "tier",
    "trace",
    "version",
    "weight_gradient",
]
