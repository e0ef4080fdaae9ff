"""The only loop over time, and the only place where an engine is chosen."""

import warnings
from functools import cache
from typing import Any

import torch
from torch import Tensor

from picojoule._names import unknown
from picojoule._torch import watched
from picojoule._types import as_numbers
from picojoule.contract import AllSteps, Stepping, Verdict
from picojoule.kernels import tier

ENGINES = ("eager", "fused")
_ON_REQUEST = ("cuda",)  # devices on which nobody has run the compiled loops yet


def scan(
    neuron: Stepping, currents: Tensor, state: Any = None, *, engine: str | None = None
) -> tuple[Tensor, Any]:
    """Runs a neuron's ``step`` over time.

    ``"eager"`` calls one ``step`` after the other: the reference. ``"fused"`` compiles the very
    same ``step`` to one loop over all steps, forward and backward, without a graph per step; its
    gradients cannot be differentiated again. An engine is a contract: one that is asked for is
    never replaced by another in silence. Under autocast, neurons take half-precision currents in
    single precision: their state sums up many small steps.

    Args:
        neuron: Whose ``step`` to run.
        currents: [T, B, ...].
        state: Where to start; None for the neuron's initial state.
        engine: ``"eager"`` or ``"fused"``; None for ``neuron.engine``, and where that is None too
            for ``neuron.engine_for(currents)``: on a CPU fused if it can be, else eager; on CUDA
            eager, because Triton's loops have not been run on a GPU yet.

    Returns:
        Outputs [T, B, ...] and the state after the last step.

    Raises:
        ValueError: Unknown engine, no step at all, currents that are no floating-point numbers, a
            state of another shape or dtype, or a neuron that the engine asked for cannot run.
    """
    own = engine is None
    engine = _asked(neuron) if own else engine
    currents = _single(currents)
    state = checked(neuron, currents, state)
    chosen, why = _choice(neuron, currents, state, engine)
    if isinstance(chosen, str):
        if engine == "fused":
            raise ValueError(
                f"{type(neuron).__name__} cannot run by engine 'fused': {chosen}. engine='eager' "
                "runs it step by step"
            )
        if why:
            _warn(why)
    verdict = Verdict("eager", chosen) if isinstance(chosen, str) else Verdict("fused")
    if own and verdict != neuron.ran and not torch.compiler.is_compiling():
        neuron.ran = verdict  # an engine given for this call alone says nothing of the layer
    return _eager(neuron, currents, state) if isinstance(chosen, str) else chosen(currents, state)


def engine_for(neuron: Stepping, currents: Tensor, state: Any = None) -> str:
    """Returns the engine by which ``neuron`` runs these currents [T, B, ...]."""
    currents, asked = _single(currents), _asked(neuron)
    chosen, _ = _choice(neuron, currents, checked(neuron, currents, state), asked)
    return asked or ("eager" if isinstance(chosen, str) else "fused")


def _asked(neuron: Stepping) -> str | None:
    """Returns the engine asked for by a layer, or by the neurons in it."""
    asked = (getattr(module, "engine", None) for module in neuron.modules())
    return next((engine for engine in asked if engine is not None), None)


def _single(currents: Tensor) -> Tensor:
    half = currents.dtype in (torch.float16, torch.bfloat16)
    return (
        currents.float() if half and torch.is_autocast_enabled(currents.device.type) else currents
    )


def checked(neuron: Stepping, currents: Tensor, state: Any) -> Any:
    """Returns the state to start from.

    Raises:
        ValueError: Of what cannot be run by any engine.
    """
    if not currents.shape[0]:
        raise ValueError("currents [T, B, ...] have no step: T must be at least 1")
    if not currents.is_floating_point():
        raise ValueError(
            f"expected floating-point currents, got {currents.dtype}: {as_numbers(currents)}"
        )
    initial = neuron.init_state(currents[0])
    if state is None:
        return initial
    if (got := _kinds(state)) != (expected := _kinds(initial)):
        raise ValueError(f"the state is of {got}, these currents need {expected}")
    return state


def _choice(
    neuron: Stepping, currents: Tensor, state: Any, engine: str | None
) -> tuple[AllSteps | str, str]:
    """Returns what runs all steps or why the eager engine does, and a warning for the user."""
    if engine is not None and engine not in ENGINES:
        raise ValueError(unknown("engine", engine, ENGINES))
    if engine == "eager":
        return "it was asked for", ""
    why, kind = _unfit(currents), currents.device.type
    if not why and engine is None and kind in _ON_REQUEST:
        why = f"its loops for {kind} run only if engine='fused' asks for them"
    if why:
        slow = kind in _ON_REQUEST and engine is None
        return why, f"neurons run step by step: {why}" if slow else ""
    return neuron.fuse(currents, state), ""


def _unfit(currents: Tensor) -> str:
    """Returns why no compiled loop can run these currents, or an empty string."""
    if torch.compiler.is_compiling() or torch.jit.is_tracing():  # pyright: ignore
        return "the network is being compiled"
    kind = currents.device.type
    if kind not in ("cpu", "cuda"):
        return f"the currents are on {currents.device}, and its loops are for the CPU and for CUDA"
    if tier(kind) == "off":
        missing = "no C compiler and no numba" if kind == "cpu" else "no triton or no C compiler"
        return f"no kernels run here on {kind} (PICOJOULE_KERNELS=off, or {missing})"
    if currents.dtype not in (torch.float32, torch.float64):
        return f"the currents are {currents.dtype}, and its loops are for float32 and float64"
    if currents.is_neg():
        return "the currents are a view with their sign turned"
    if type(currents) not in (Tensor, torch.nn.Parameter) or currents.layout != torch.strided:
        return f"the currents are a {type(currents).__name__} of layout {currents.layout}"
    if watched():
        return "a transform or dispatch mode of torch wants to see each operation"
    return ""


@cache
def _warn(message: str) -> None:
    warnings.warn(message, stacklevel=4)


def _eager(neuron: Stepping, currents: Tensor, state: Any) -> tuple[Tensor, Any]:
    outputs = []
    # unbind, not currents[t]: its backward is one stack, not T full-size zero tensors.
    for current in currents.unbind(0):
        out, state = neuron.step(current, state)
        outputs.append(out)
    return torch.stack(outputs), state


def _kinds(state: Any) -> list[str]:
    if isinstance(state, torch.Tensor):
        return [f"{state.dtype} {list(state.shape)}"]
    parts = state if isinstance(state, (tuple, list)) else ()
    return [kind for part in parts for kind in _kinds(part)]
