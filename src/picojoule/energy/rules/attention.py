"""Attention: scores of queries with keys, then values weighted by them."""

import torch
from torch import Tensor

from picojoule.energy.rules.call import Call, analog, moved
from picojoule.energy.rules.outcome import DERIVED, Arrival, Outcome, Synapses, absent
from picojoule.energy.rules.products import meet
from picojoule.energy.rules.synapses import arriving, projection


def attention(
    call: Call,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attn_mask: Tensor | None = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    scale: float | None = None,
    enable_gqa: bool = False,
) -> Outcome:
    """Counts scaled dot-product attention: parts ``scores`` and ``values``.

    Queries and keys that are events count where they coincide. After the softmax the weights are
    analog and none of them is zero, so that each event of ``value`` meets every query. Masks remove
    no pair: they hide scores that were computed. The scale folds into what comes before. The
    elements of the softmax are named and not counted.
    """
    del dropout_p, is_causal, scale
    call.arriving(query)
    kinds = [call.as_factor(call.operand(given)) for given in (query, key, value)]
    if not any(kinds):
        return DERIVED
    if enable_gqa:  # several heads of queries share one of keys and values
        heads = key.shape[-3]
        query = query.unflatten(-3, (heads, query.shape[-3] // heads))
        key, value = key.unsqueeze(-3), value.unsqueeze(-3)
        kinds = [moved(kind) for kind in kinds]
    batch = torch.broadcast_shapes(*(given.shape[:-2] for given in (query, key, value)))
    weights = absent((*batch, query.shape[-2], key.shape[-2]), query)
    axes = [list(range(given.dim() - 2, 0, -1)) for given in (query, key, value, weights)]
    after = analog(*kinds)
    products = [
        *meet(
            call,
            (kinds[0], kinds[1]),
            weights.numel(),
            (query, key),
            ([*axes[0], -2, -1], [*axes[1], -3, -1]),
            part="scores",
        ),
        *meet(
            call,
            (after, kinds[2]),
            call.out.numel(),
            (weights, value),
            ([*axes[3], -2, -3], [*axes[2], -3, -4]),
            part="values",
        ),
    ]
    added = attn_mask is not None and attn_mask.is_floating_point()
    counts = [call.dense(add=weights.numel())] if added else []
    missed = {"softmax": weights.numel()}
    return Outcome(after, counts, products, missed, (query, key, value))


def multi_head(
    call: Call,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    embed_dim_to_check: int,
    num_heads: int,
    in_proj_weight: Tensor | None,
    in_proj_bias: Tensor | None,
    bias_k: Tensor | None,
    bias_v: Tensor | None,
    add_zero_attn: bool,
    dropout_p: float,
    out_proj_weight: Tensor,
    out_proj_bias: Tensor | None,
    training: bool = True,
    key_padding_mask: Tensor | None = None,
    need_weights: bool = True,
    attn_mask: Tensor | None = None,
    use_separate_proj_weight: bool = False,
    q_proj_weight: Tensor | None = None,
    k_proj_weight: Tensor | None = None,
    v_proj_weight: Tensor | None = None,
    static_k: Tensor | None = None,
    static_v: Tensor | None = None,
    average_attn_weights: bool = True,
    is_causal: bool = False,
) -> Outcome:
    """Counts multi-head attention: ``in_proj`` (three), ``scores``, ``values`` and ``out_proj``.

    The projections of queries, keys and values meet what their inputs carry; what they put out is
    analog, and so all the rest is dense. Masks remove no pair. Keys that the function adds itself
    (``bias_k``, ``add_zero_attn``) are met like the others. The mean of the heads' weights, where
    ``need_weights`` asks for it, is additions and one multiplication each.
    """
    del embed_dim_to_check, dropout_p, training, is_causal
    given, skip = (query, key, value), call.convention.skip_zero_weights
    call.arriving(query)
    if not any([call.operand(one) for one in given]):
        return DERIVED
    own = (q_proj_weight, k_proj_weight, v_proj_weight)
    parts = own if use_separate_proj_weight else _thirds(in_proj_weight)
    after = analog(*map(call.factor, given))
    products: list[Arrival] = []
    for values, weight, bias in zip(given, parts, _thirds(in_proj_bias), strict=True):
        assert weight is not None
        arrived = projection(values, weight, bias, skip)
        products += arriving(call, "in_proj", arrived, call.factor(values) or after)
    batch = query.shape[1] if query.dim() == 3 else 1
    keys = key.shape[0] if static_k is None else static_k.shape[1]
    keys += (bias_k is not None) + add_zero_attn
    scores = (batch, num_heads, query.shape[0], keys)
    depth = call.out.shape[-1] // num_heads
    weights, queries = absent(scores, query), absent((*scores[:3], depth), query)
    products += [
        Arrival("scores", Synapses(queries, keys, None, None, weights.numel()), after),
        Arrival("values", Synapses(weights, depth, None, None, call.out.numel()), after),
        Arrival(
            "out_proj",
            projection(absent(call.out.shape, call.out), out_proj_weight, out_proj_bias, skip),
            after,
        ),
    ]
    masks = (key_padding_mask, attn_mask)
    added = sum(mask is not None and mask.is_floating_point() for mask in masks)
    counts: dict[str, float | Tensor] = {"add": added * weights.numel()} if added else {}
    if need_weights and average_attn_weights:
        means = weights.numel() // num_heads
        counts["add"] = counts.get("add", 0) + weights.numel() - means
        counts["multiply"] = means
    learned = (in_proj_weight, in_proj_bias, bias_k, bias_v, static_k, static_v)
    reached = [weight for weight in (*learned, *own) if weight is not None]
    return Outcome(after, [call.dense(**counts)], products, {"softmax": weights.numel()}, reached)


def _thirds(weight: Tensor | None) -> tuple[Tensor | None, ...]:
    """Returns the rows for queries, for keys and for values."""
    return (None,) * 3 if weight is None else weight.chunk(3)
