"""The table of counting rules, by the plain name of the torch function.

A function without an entry is listed in ``uncounted``, and what it gives back is analog. Operators
and other spellings of a function are entries like any other.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

from picojoule.energy.rules.arithmetic import (
    add,
    divide,
    draw,
    dropout,
    mean,
    multiply,
    negate,
    subtract,
    subtract_from,
    total,
    zero,
)
from picojoule.energy.rules.attention import attention, multi_head
from picojoule.energy.rules.base import Rule, respelled
from picojoule.energy.rules.cells import CELLS
from picojoule.energy.rules.limits import (
    both,
    clamp,
    either,
    equal,
    greater,
    greater_equal,
    hardtanh,
    invert,
    less,
    less_equal,
    power,
    relu,
    relu6,
    rounded,
    sign,
    unequal,
)
from picojoule.energy.rules.lookups import (
    bilinear,
    embedding,
    embedding_bag,
    fractional_pool,
    lp_pool,
    unpool,
)
from picojoule.energy.rules.moves import (
    cast,
    copies,
    copy,
    extreme,
    filled,
    fresh,
    in_order,
    join,
    masked_fill,
    ones,
    outside,
    pad,
    reordered,
    setitem,
    stack,
    where,
    zeros,
)
from picojoule.energy.rules.norms import (
    batch_norm,
    group_norm,
    instance_norm,
    layer_norm,
    local_response_norm,
    rms_norm,
)
from picojoule.energy.rules.products import addmm, matmul, rmatmul
from picojoule.energy.rules.resampling import interpolate
from picojoule.energy.rules.subscripts import addr, dot, einsum, inner, outer, tensordot, vecdot
from picojoule.energy.rules.synapses import convolution, linear, transposed
from picojoule.energy.rules.windows import adaptive_pool, average_pool, max_pool

_GROUPS: dict[Rule, str] = {
    # moves
    reordered: """transpose permute cpu cuda detach getitem index_select select narrow split
        split_with_sizes chunk unbind tensor_split roll flip movedim moveaxis swapaxes swapdims
        gather take_along_dim unfold T mT H mH data diagonal masked_select channel_shuffle
        pixel_shuffle pixel_unshuffle t abs tril triu""",
    in_order: """view reshape flatten unflatten squeeze unsqueeze contiguous clone alias view_as
        reshape_as ravel requires_grad identity""",
    cast: "to float double half bfloat16 type type_as bool int long short char byte",
    outside: "tensor as_tensor asarray from_numpy frombuffer from_dlpack",
    copies: "expand expand_as repeat tile repeat_interleave",
    ones: "ones ones_like new_ones",
    fresh: """empty_like full_like rand_like randn_like new_empty new_full
        new_tensor grad""",
    zeros: "zeros zeros_like new_zeros",
    join: "cat concat concatenate",
    stack: "stack hstack vstack dstack",
    extreme: "amax amin max maximum min minimum",
    pad: "pad",
    masked_fill: "masked_fill",
    setitem: "setitem",
    where: "where",
    copy: "copy",
    zero: "zero",
    filled: "fill normal uniform",
    # limits
    relu: "relu",
    relu6: "relu6",
    hardtanh: "hardtanh",
    clamp: "clamp clip",
    rounded: "round floor ceil trunc fix",
    sign: "sign sgn",
    power: "pow ipow",
    greater: "gt greater",
    greater_equal: "ge greater_equal",
    less: "lt less",
    less_equal: "le less_equal",
    equal: "eq",
    unequal: "ne not_equal",
    invert: "invert bitwise_not logical_not",
    both: "and iand bitwise_and logical_and",
    either: "or ior ror bitwise_or logical_or",
    # arithmetic
    add: "add radd iadd",
    subtract: "sub isub subtract",
    subtract_from: "rsub",
    multiply: "mul rmul imul multiply",
    divide: "div truediv itruediv divide true_divide",
    negate: "neg negative",
    total: "sum",
    mean: "mean",
    dropout: "dropout dropout1d dropout2d dropout3d feature_dropout",
    draw: "bernoulli",
    # synapses and products
    linear: "linear",
    convolution: "conv1d conv2d conv3d",
    transposed: "conv_transpose1d conv_transpose2d conv_transpose3d",
    respelled(matmul, mat2="other", vec="other", tensor2="other"): "matmul linalg_matmul mm bmm mv",
    rmatmul: "rmatmul",
    respelled(addmm, mat1="first", mat2="second"): "addmm",
    respelled(addmm, mat="first", vec="second"): "addmv",
    respelled(addmm, batch1="first", batch2="second"): "baddbmm addbmm",
    addr: "addr",
    einsum: "einsum",
    tensordot: "tensordot",
    inner: "inner",
    respelled(outer, vec2="other"): "outer ger kron",
    respelled(dot, tensor="other"): "dot vdot",
    vecdot: "vecdot linalg_vecdot",
    bilinear: "bilinear",
    attention: "scaled_dot_product_attention",
    multi_head: "multi_head_attention_forward",
    # rows, sizes and norms
    embedding: "embedding",
    embedding_bag: "embedding_bag",
    interpolate: "interpolate",
    batch_norm: "batch_norm",
    layer_norm: "layer_norm",
    group_norm: "group_norm",
    instance_norm: "instance_norm",
    rms_norm: "rms_norm",
    local_response_norm: "local_response_norm",
    unpool: "max_unpool1d max_unpool2d max_unpool3d",
}


def _of_axes(name: str, rule: Callable[..., Any], **options: Any) -> dict[str, Rule]:
    """Returns a rule of pooling along one, two or three axes, with and without indices."""
    return {
        f"{name}{n}d{end}": partial(rule, n=n, **options)
        for n in (1, 2, 3)
        for end in ("", "_with_indices")
    }


RULES: dict[str, Rule] = {
    **{name: rule for rule, names in _GROUPS.items() for name in names.split()},
    **CELLS,
    **_of_axes("avg_pool", average_pool),
    **_of_axes("max_pool", max_pool),
    **_of_axes("adaptive_avg_pool", adaptive_pool, largest=False),
    **_of_axes("adaptive_max_pool", adaptive_pool, largest=True),
    **_of_axes("lp_pool", lp_pool),
    **_of_axes("fractional_max_pool", fractional_pool),
}


def name_of(function: Callable[..., Any]) -> str:
    """Returns the plain name of a torch function: ``Tensor.add_``, ``operator.add``: ``add``."""
    name = getattr(function, "__name__", "")
    if name == "__get__":
        name = getattr(getattr(function, "__self__", None), "__name__", "")
    return name.strip("_") or name
