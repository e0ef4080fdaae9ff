"""Other ways to keep a limit, as penalties: cooper's, and a projection.

cooper (cooper-optim, MIT) is no dependency: without it its contenders are left out, which is said.
"""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

import picojoule as pj

MARGIN = 0.02  # that of EnergyBudget, for all


class Cooper(pj.Penalty):
    """An inequality in cooper's hands: E / L - 1 at most 0, with what cooper makes of it.

    Args:
        limit_pj: Energy per sample to stay within, in pJ.
        rho: Coefficient of the augmented Lagrangian's square; None for a plain Lagrangian.
        lr: Rate of the multiplier.
        kp: Proportional gain of nuPI; None for gradient ascent.
        nu: Memory of nuPI's average of the error.
    """

    looks_at_traffic = False

    def __init__(
        self,
        limit_pj: float,
        *,
        rho: float | None = None,
        lr: float = 0.05,
        kp: float | None = None,
        nu: float = 0.9,
    ) -> None:
        import cooper

        super().__init__()
        self.limit_pj = limit_pj
        kinds = cooper.formulations
        self.made = cooper.Constraint(
            constraint_type=cooper.ConstraintType.INEQUALITY,
            formulation_type=kinds.Lagrangian if rho is None else kinds.AugmentedLagrangian,
            multiplier=cooper.multipliers.DenseMultiplier(num_constraints=1),
            penalty_coefficient=None
            if rho is None
            else cooper.penalty_coefficients.DensePenaltyCoefficient(init=torch.tensor([rho])),
        )
        self.state = cooper.ConstraintState
        dual = self.made.multiplier.parameters()
        self.ascent: torch.optim.Optimizer
        if kp is None:
            # An augmented Lagrangian's own step is its coefficient.
            self.ascent = torch.optim.SGD(dual, lr=lr if rho is None else 1.0, maximize=True)
        else:
            self.ascent = cooper.optim.nuPI(
                dual, lr=lr, Kp=torch.tensor(kp), ema_nu=nu, maximize=True
            )

    def forward(self, energy: pj.Energy, traffic: Sequence | None = None) -> Tensor:
        """The contribution to the primal Lagrangian."""
        del traffic
        store = self.made.compute_contribution_to_lagrangian(self._violated(energy), "primal")
        return store.lagrangian_contribution.float()

    def update(self, energy: pj.Energy) -> None:
        """Takes the dual step."""
        self.ascent.zero_grad()
        state = self._violated(energy.map(Tensor.detach))
        store = self.made.compute_contribution_to_lagrangian(state, "dual")
        store.lagrangian_contribution.backward()
        self.ascent.step()
        self.made.multiplier.post_step_()

    def _violated(self, energy: pj.Energy) -> object:
        share = (1 + MARGIN) * energy.total / self.limit_pj - 1
        return self.state(violation=share.float().reshape(1))


class Projection(pj.Penalty):
    """No penalty, but a projection: weights shrink after a step that spent too much.

    After Yang, Zhu and Liu (ICLR 2019), who project a network's weights to the energy that it may
    take, by which are dropped. Here spikes are what costs, so that the weights into every layer of
    neurons shrink by a hundredth, as often as the energy is a twentieth too much, ten times at
    most.

    Args:
        limit_pj: Energy per sample to stay within, in pJ.
        net: The network.
    """

    looks_at_traffic = False

    def __init__(self, limit_pj: float, net: nn.Module) -> None:
        super().__init__()
        self.limit_pj = limit_pj
        layers = [one for one in net.modules() if isinstance(one, (nn.Linear, nn.Conv2d))]
        self.shrunk = [parameter for layer in layers[:-1] for parameter in layer.parameters()]

    def forward(self, energy: pj.Energy, traffic: Sequence | None = None) -> Tensor:
        """Nothing: what is learned knows of no limit."""
        return torch.zeros((), device=energy.total.device)

    @torch.no_grad()
    def update(self, energy: pj.Energy) -> None:
        """Shrinks the weights."""
        excess = (1 + MARGIN) * energy.total / self.limit_pj - 1
        times = (excess / 0.05).ceil().clamp(0, 10)
        for parameter in self.shrunk:
            parameter.mul_((0.99**times).to(parameter.dtype))


def methods() -> dict[str, Callable[[float, nn.Module], pj.Penalty]]:
    """Every way to keep a limit: its name, and what makes it of the limit and the network."""
    found: dict[str, Callable[[float, nn.Module], pj.Penalty]] = {
        "EnergyBudget": lambda limit_pj, net: pj.EnergyBudget(limit_pj),
        "projection": Projection,
    }
    for weight in (0.1, 0.3, 1.0):
        found[f"FixedPrice({weight})"] = lambda limit_pj, net, w=weight: pj.FixedPrice(w)
    try:
        import cooper  # noqa: F401
    except ModuleNotFoundError:
        print("cooper is not installed (pip install cooper-optim): its contenders are left out")
        return found
    return found | {
        "cooper, Lagrangian": lambda limit_pj, net: Cooper(limit_pj),
        "cooper, augmented": lambda limit_pj, net: Cooper(limit_pj, rho=1.0),
        "cooper, nuPI": lambda limit_pj, net: Cooper(limit_pj, kp=1.0),
    }
