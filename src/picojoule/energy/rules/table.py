"""The table of counting rules, by the plain name of the torch function.

A function without an entry is listed in ``uncounted``, and what it gives back is analog. Operators
and other spellings of a function are entries like any other.
"""

from collections.abc import Callable
from functools import lru_cache, partial
from typing import Any

from picojoule.energy.rules.arithmetic import (
    add,
    divide,
    floor_divide,
    multiply,
    negate,
    remainder,
    subtract,
    subtract_from,
)
from picojoule.energy.rules.attention import attention, multi_head
from picojoule.energy.rules.beside import each_kind
from picojoule.energy.rules.cells import CELLS
from picojoule.energy.rules.fused_terms import addcdiv, addcmul, lerp
from picojoule.energy.rules.joins import (
    adding,
    beneath,
    copy,
    extreme,
    join,
    join_columns,
    masked_fill,
    pad,
    pad_packed,
    running_extreme,
    setitem,
    stack,
    where,
    writing,
)
from picojoule.energy.rules.limits import (
    any_of,
    both,
    clamp,
    clamp_max,
    clamp_min,
    either,
    equal,
    greater,
    greater_equal,
    hardtanh,
    heaviside,
    invert,
    less,
    less_equal,
    power,
    rectified,
    relu,
    relu6,
    rounded,
    sign,
    square,
    threshold,
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
from picojoule.energy.rules.moves import copies, in_order, reordered
from picojoule.energy.rules.norms import (
    batch_norm,
    group_norm,
    instance_norm,
    layer_norm,
    local_response_norm,
    rms_norm,
)
from picojoule.energy.rules.origins import (
    cast,
    chosen,
    draw,
    drawn,
    filled,
    fresh,
    learning,
    numbers,
    one_hot,
    ones,
    outside,
    renewed,
    zero,
    zeros,
)
from picojoule.energy.rules.outcome import Rule, respelled
from picojoule.energy.rules.products import addmm, matmul, rmatmul, sparse_matmul
from picojoule.energy.rules.reductions import (
    all_of,
    alpha_dropout,
    dropout,
    mean,
    number_of,
    running,
    total,
)
from picojoule.energy.rules.resampling import interpolate
from picojoule.energy.rules.subscripts import addr, dot, einsum, inner, outer, tensordot, vecdot
from picojoule.energy.rules.synapses import convolution, linear, transposed
from picojoule.energy.rules.windows import adaptive_pool, average_pool, max_pool

_GROUPS: dict[Rule, str] = {
    # moves
    reordered: """transpose permute cpu cuda detach getitem index_select select narrow narrow_copy
        split split_with_sizes unsafe_split chunk unsafe_chunk unbind tensor_split hsplit vsplit
        dsplit roll flip fliplr flipud rot90 movedim moveaxis swapaxes swapdims gather take
        take_along_dim unfold T mT H mH adjoint t data diagonal diag diag_embed diagflat
        masked_select channel_shuffle pixel_shuffle pixel_unshuffle abs absolute tril triu
        pack_padded_sequence""",
    in_order: """view reshape flatten unflatten squeeze unsqueeze contiguous clone alias view_as
        reshape_as ravel requires_grad identity positive pos real nan_to_num atleast_1d atleast_2d
        atleast_3d to_sparse to_sparse_csr to_dense coalesce""",
    each_kind(cast): "to float double half bfloat16 type type_as bool int long short char byte",
    copies: "expand expand_as broadcast_to repeat tile repeat_interleave",
    # origins
    outside: "tensor as_tensor asarray from_numpy frombuffer from_dlpack",
    ones: "ones ones_like new_ones eye",
    numbers: "full full_like new_full",
    fresh: "randn_like new_tensor",
    learning: "grad backward",
    drawn: "rand rand_like",
    chosen: "randint",
    one_hot: "one_hot",
    zeros: "zeros zeros_like new_zeros empty empty_like new_empty",
    renewed: "new",
    zero: "zero",
    filled: "fill normal uniform exponential log_normal cauchy geometric random",
    draw: "bernoulli poisson",
    # joins
    join: "cat concat concatenate",
    join_columns: "hstack",
    stack: "stack",
    respelled(beneath, sequences="tensors"): "vstack dstack column_stack row_stack pad_sequence",
    extreme: """amax amin aminmax max maximum fmax min minimum fmin sort msort topk
        kthvalue median mode""",
    running_extreme: "cummax cummin",
    pad: "pad",
    pad_packed: "pad_packed_sequence",
    masked_fill: "masked_fill",
    setitem: "setitem",
    writing(0, "src"): "select_scatter slice_scatter diagonal_scatter",
    writing(1, "source", "values"): "index_put masked_scatter put",
    writing(2, "src", "source", "value"): "scatter index_copy index_fill",
    adding(2, "src", "source"): "scatter_add index_add",
    where: "where",
    copy: "copy",
    # limits
    each_kind(relu): "relu",
    each_kind(relu6): "relu6",
    each_kind(rectified): "leaky_relu elu celu rrelu prelu",
    each_kind(hardtanh): "hardtanh",
    each_kind(clamp): "clamp clip",
    each_kind(clamp_min): "clamp_min",
    each_kind(clamp_max): "clamp_max",
    each_kind(threshold): "threshold",
    heaviside: "heaviside",
    each_kind(rounded): "round special_round floor ceil trunc fix",
    each_kind(sign): "sign sgn",
    power: "pow ipow float_power",
    each_kind(square): "square",
    greater: "gt greater",
    greater_equal: "ge greater_equal",
    less: "lt less",
    less_equal: "le less_equal",
    equal: "eq",
    unequal: "ne not_equal",
    invert: "invert bitwise_not logical_not",
    both: "and iand bitwise_and logical_and",
    either: "or ior ror bitwise_or logical_or xor ixor rxor bitwise_xor logical_xor",
    any_of: "any all",
    # arithmetic
    add: "add radd iadd",
    subtract: "sub isub subtract",
    subtract_from: "rsub",
    multiply: "mul rmul imul multiply",
    divide: "div truediv itruediv divide true_divide",
    floor_divide: "floor_divide floordiv ifloordiv",
    remainder: "remainder fmod mod imod",
    each_kind(negate): "neg negative",
    total: "sum nansum fold",
    running: "cumsum",
    number_of: "count_nonzero",
    all_of: "prod cumprod",
    mean: "mean nanmean",
    lerp: "lerp",
    addcmul: "addcmul",
    addcdiv: "addcdiv",
    each_kind(dropout): "dropout dropout1d dropout2d dropout3d feature_dropout native_dropout",
    alpha_dropout: "alpha_dropout feature_alpha_dropout",
    # synapses and products
    linear: "linear",
    convolution: "conv1d conv2d conv3d",
    transposed: "conv_transpose1d conv_transpose2d conv_transpose3d",
    respelled(matmul, mat2="other", vec="other", tensor2="other"): """matmul linalg_matmul mm bmm mv
        smm""",
    sparse_matmul: "sparse_mm",
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

# Rules of functions that change no value, wherever they run.
MOVES = {reordered, in_order, copies, RULES["to"]}


@lru_cache(maxsize=4096)
def name_of(function: Callable[..., Any]) -> str:
    """Returns the plain name of a torch function: ``Tensor.add_``, ``operator.add``: ``add``."""
    name = getattr(function, "__name__", "")
    if name == "__get__":
        name = getattr(getattr(function, "__self__", None), "__name__", "")
    module = getattr(function, "__module__", None) or ""
    if (library := module.removeprefix("torch._ops.")) == "aten":  # torch.ops.aten.add.Tensor
        name = name.partition(".")[0]
    elif library != module:  # functions of other libraries may be called alike
        name = f"{library}::{name}"
    return name.strip("_") or name
