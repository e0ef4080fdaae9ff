"""Coverage of a network: the parts that ran, and those that were counted."""

from collections.abc import Iterable, Mapping, Set

from torch import nn
from torch.nn.parameter import is_lazy

from picojoule.energy.meter.recorder import Recorder


class Coverage:
    """Comparison of what ran with what was counted.

    Args:
        names: The modules of the network with their names.
        scripted: Modules inside which nothing can be seen, each with the module around them.
        ran: The modules that ran so far.
        recorder: Knows what was counted.
    """

    def __init__(
        self,
        names: Mapping[nn.Module, str],
        scripted: Mapping[nn.Module, nn.Module | None],
        ran: Set[nn.Module],
        recorder: Recorder,
    ) -> None:
        self._names, self._scripted, self._ran, self._recorder = names, scripted, ran, recorder

    @property
    def uncounted(self) -> dict[str, int]:
        """Elements of functions, then of weights, that ran and were not counted, by name."""
        ran = self._ran | self._hidden
        missed = {
            f"{self._names[module]}.{name}": parameter.numel()
            for module in self._names
            if module in ran
            for name, parameter in module.named_parameters(recurse=False)
            if parameter.dim() > 1 and id(parameter) not in self._recorder.reached
        }
        return self._recorder.missed | missed

    @property
    def unreached(self) -> list[str]:
        """Layers with weights that did not run at all."""
        return [
            name
            for module, name in self._names.items()
            if module not in self._ran | self._hidden
            and any(
                (is_lazy(p) or p.dim() > 1) and id(p) not in self._recorder.reached
                for p in module.parameters(recurse=False)
            )
        ]

    def check_ran(self, net: nn.Module, *, elsewhere: bool) -> None:
        """Checks that the network ran.

        Args:
            net: The network.
            elsewhere: Whether another thread than that of the block called a part of it.

        Raises:
            RuntimeError: If it did not.
        """
        if net not in self._ran:
            raise RuntimeError(
                "the network given to Meter was not called inside the block"
                + elsewhere * " by the thread that entered it"
                + ": call that very module (not one of its parts, a copy or another wrapper), or "
                "meter what you call"
            )

    def idle(self, neurons: Iterable[nn.Module]) -> list[str]:
        """Returns the names and types of those neurons that did not run."""
        return [
            f"'{self._names[module]}' ({type(module).__name__})"
            for module in neurons
            if module not in self._ran | self._scripted.keys()
        ]

    @property
    def _hidden(self) -> set[nn.Module]:
        """Modules inside which nothing can be seen, if the module around them ran."""
        return {module for module, holder in self._scripted.items() if holder in self._ran}
