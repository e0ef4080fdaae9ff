"""The devices of a run, set up by Lightning Fabric and refused in words of its options."""

import os
import re

import torch
from lightning_fabric import Fabric
from lightning_fabric.accelerators.cuda import CUDAAccelerator
from lightning_fabric.accelerators.mps import MPSAccelerator
from lightning_fabric.accelerators.xla import XLAAccelerator
from lightning_fabric.strategies import STRATEGY_REGISTRY
from lightning_fabric.utilities.exceptions import MisconfigurationException

from picojoule._memory import keep_freed_memory
from picojoule._names import unknown
from picojoule.run.machine import Machine

_NEEDS = {
    "cuda": "an NVIDIA GPU and a torch that is built for CUDA",
    "gpu": "a GPU that torch can use, by CUDA or MPS",
    "mps": "an Apple GPU",
    "tpu": "a TPU and torch_xla",
}
_PRECISIONS = (
    "16-mixed",
    "16-true",
    "32-true",
    "64-true",
    "bf16-mixed",
    "bf16-true",
    "transformer-engine",
    "transformer-engine-float16",
)
_SHORT = {"16": "16-mixed", "32": "32-true", "64": "64-true", "bf16": "bf16-mixed"}


def launched(machine: Machine) -> Fabric:
    """Launches the processes of a run on their devices.

    Raises:
        ValueError: If there is no such device, strategy or precision on this machine.
    """
    keep_freed_memory()
    precision = _SHORT.get(machine.precision, machine.precision)
    _check(machine, precision)
    try:
        fabric = Fabric(
            accelerator=machine.accelerator,
            devices=machine.devices,
            num_nodes=machine.nodes,
            strategy=machine.strategy,
            precision=precision,  # pyright: ignore[reportArgumentType]
        )
    except (
        ValueError,
        TypeError,
        RuntimeError,
        ImportError,
        MisconfigurationException,
    ) as error:
        raise ValueError(
            f"accelerator {machine.accelerator}, devices {machine.devices}, nodes "
            f"{machine.nodes}, strategy {machine.strategy} and precision {precision} do not go "
            f"together on this machine; Lightning Fabric says: {error}"
        ) from error
    fabric.launch()
    if fabric.device.type == "cuda":
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
        torch.use_deterministic_algorithms(True, warn_only=True)
    return fabric


def _check(machine: Machine, precision: str) -> None:
    """Refuses what no machine has, and what this one has not."""
    if machine.accelerator not in ("auto", "cpu", *_NEEDS):
        raise ValueError(unknown("accelerator", machine.accelerator, ["auto", "cpu", *_NEEDS]))
    there = _accelerators()
    if machine.accelerator in _NEEDS and machine.accelerator not in there:
        raise ValueError(
            f"accelerator '{machine.accelerator}' needs {_NEEDS[machine.accelerator]}, which this "
            "machine does not have: leave it out, or take 'cpu'"
        )
    strategies = ["auto", *STRATEGY_REGISTRY.available_strategies()]
    if machine.strategy not in strategies:
        raise ValueError(unknown("strategy", machine.strategy, strategies))
    if precision not in _PRECISIONS:
        raise ValueError(unknown("precision", precision, _PRECISIONS))
    on_cpu = machine.accelerator == "cpu" or not there
    if machine.strategy.startswith(("fsdp", "deepspeed")) and on_cpu:
        raise ValueError(f"strategy '{machine.strategy}' is for GPUs: take 'ddp' on a CPU")
    if precision == "16-mixed" and on_cpu:
        raise ValueError("precision '16-mixed' is for GPUs: take 'bf16-mixed' on a CPU")
    if machine.nodes < 1:
        raise ValueError(f"the number of nodes must be at least 1, got {machine.nodes}")
    _check_devices(machine.devices, on_cpu)


def _check_devices(devices: int | str, on_cpu: bool) -> None:
    """Refuses what is neither a number of devices nor a choice of some."""
    if isinstance(devices, int):
        if devices >= 1 or (devices == -1 and not on_cpu):
            return
    elif devices == "auto" or (re.fullmatch(r"\d+(,\d+)*,?", devices) and not on_cpu):
        return
    which = "a whole number of at least 1" if on_cpu else "a number of at least 1, -1 for all"
    more = "" if on_cpu else ", or which ones, such as '0,2'"
    raise ValueError(f"devices must be {which}{more}, got {devices!r}")


def _accelerators() -> set[str]:
    """Returns the accelerators of this machine that are no CPU."""
    kinds = {"cuda": CUDAAccelerator, "mps": MPSAccelerator, "tpu": XLAAccelerator}
    there = {name for name, kind in kinds.items() if kind.is_available()}
    return there | ({"gpu"} if there & {"cuda", "mps"} else set())
