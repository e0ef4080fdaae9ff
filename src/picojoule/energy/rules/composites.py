"""Rules of torch functions that hold several products, or count something besides them.

A rule takes ``of``, which says what a tensor carries, the function's (first) result and its own
arguments under their own names.
"""

from collections.abc import Callable
from functools import partial

from picojoule.energy.rules.attention import attention, multi_head
from picojoule.energy.rules.base import Composite, respelled
from picojoule.energy.rules.cells import CELLS
from picojoule.energy.rules.lookups import (
    bilinear,
    embedding,
    embedding_bag,
    fractional_pool,
    lp_pool,
    unpool,
)
from picojoule.energy.rules.norms import (
    group_norm,
    instance_norm,
    layer_norm,
    local_response_norm,
    rms_norm,
)
from picojoule.energy.rules.products import addmm, matmul, rmatmul
from picojoule.energy.rules.resampling import interpolate
from picojoule.energy.rules.subscripts import (
    addr,
    dot,
    einsum,
    inner,
    outer,
    tensordot,
    vecdot,
)

__all__ = ["COMPOSITES", "Composite"]

COMPOSITES: dict[str, Callable[..., Composite]] = {
    **dict.fromkeys(
        ("matmul", "linalg_matmul"), respelled(matmul, mat2="other", vec="other", tensor2="other")
    ),
    "rmatmul": rmatmul,
    "addmm": respelled(addmm, mat1="first", mat2="second"),
    "addmv": respelled(addmm, mat="first", vec="second"),
    **dict.fromkeys(("baddbmm", "addbmm"), respelled(addmm, batch1="first", batch2="second")),
    "addr": addr,
    "einsum": einsum,
    "tensordot": tensordot,
    "inner": inner,
    **dict.fromkeys(("outer", "ger", "kron"), respelled(outer, vec2="other")),
    **dict.fromkeys(("dot", "vdot"), respelled(dot, tensor="other")),
    **dict.fromkeys(("vecdot", "linalg_vecdot"), vecdot),
    "bilinear": bilinear,
    "scaled_dot_product_attention": attention,
    "multi_head_attention_forward": multi_head,
    **CELLS,
    "embedding": embedding,
    "embedding_bag": embedding_bag,
    "interpolate": interpolate,
    "layer_norm": layer_norm,
    "group_norm": group_norm,
    "instance_norm": instance_norm,
    "rms_norm": rms_norm,
    "local_response_norm": local_response_norm,
    **{f"lp_pool{n}d": partial(lp_pool, n=n) for n in (1, 2, 3)},
    **{
        f"fractional_max_pool{n}d{end}": partial(fractional_pool, n=n)
        for n in (2, 3)
        for end in ("", "_with_indices")
    },
    **{f"max_unpool{n}d": unpool for n in (1, 2, 3)},
}
