"""Builds what a recipe describes: network, optimizer, penalty, batches."""

import logging
import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import CosineAnnealingLR, LRScheduler
from torch.utils.data import DataLoader

from picojoule.data import Augment, Split, Splits, loader
from picojoule.energy import Chip, Convention
from picojoule.networks import Repeat, Sequential, network
from picojoule.neurons import Neuron
from picojoule.recipe import Recipe, penalty_table
from picojoule.recipe.allowance import Allowance
from picojoule.recipe.base import Named
from picojoule.recipe.neuron_table import make
from picojoule.run.machine import Machine
from picojoule.training import EnergyBudget, Lever, Penalty
from picojoule.training.levers import lever

_SAMPLES = 256  # whose mean duration stands for all
OPTIMIZERS = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW, "sgd": torch.optim.SGD}


@dataclass(frozen=True)
class NeuronFactory:
    """Factory of a layer of neurons from their number, as a recipe describes them."""

    table: Named

    def __call__(self, size: int) -> Neuron:
        """Makes a layer of ``size`` neurons."""
        return make(self.table, size)


def build_network(recipe: Recipe) -> nn.Module:
    """Builds the network of a recipe, with weights drawn from torch's random state.

    Raises:
        ValueError: If its neurons or its architecture refuse a value, or it does not fit into
            memory.
    """
    data, table = recipe.data.dataset, recipe.train
    try:
        net = network(
            recipe.network.name,
            inputs=recipe.data.make_encoder().inputs(data.inputs),
            classes=data.classes,
            neuron=NeuronFactory(recipe.network.neuron),
            **recipe.network.params,
        )
    except (RuntimeError, MemoryError) as error:  # torch's, for weights that no memory holds
        given = ", ".join(f"network.{name} = {one}" for name, one in recipe.network.params.items())
        raise ValueError(
            f"the network '{recipe.network.name}' cannot be made with {given} ({error}): is it too "
            "large for this machine?"
        ) from error
    if table.layout == "channels_last":
        net.to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
    if table.chunk is not None:
        if not isinstance(net, Sequential) or any(isinstance(one, Repeat) for one in net):
            raise ValueError(
                f"train.chunk is for a picojoule Sequential that takes sequences, and network "
                f"'{recipe.network.name}' is none: leave it out"
            )
        net.chunk = table.chunk
        try:
            net.check_chunk()
        except ValueError as error:
            raise ValueError(f"train.chunk: {error}") from error
    return net


def copies(recipe: Recipe, machine: Machine) -> int:
    """Returns how many times the memory of its weights a training takes of this machine's own.

    On a CPU there are a gradient and the optimizer's means beside each.
    """
    there = torch.accelerator.is_available()
    if machine.accelerator != "cpu" and (machine.accelerator != "auto" or there):
        return 1
    return 2 + (1 if recipe.train.optimizer == "sgd" else 2)


@torch.no_grad()
def check_fit(recipe: Recipe, net: nn.Module, split: Split) -> None:
    """Runs a network on the first item of a split, to see whether they fit together.

    Raises:
        ValueError: If network, encoder and the shape of the data do not fit together.
    """
    shape = list(recipe.data.dataset.inputs)
    try:
        x, _, lengths = few(recipe, split, torch.tensor([0]))
        shape = list(x.shape[2:])
        net.eval()(x, lengths=lengths)
    except (RuntimeError, MemoryError, ValueError, TypeError, IndexError) as error:
        if isinstance(error, MemoryError) or "can't allocate memory" in str(error):
            raise ValueError(
                f"one item of {recipe.data.dataset.name} takes more memory than there is in the "
                f"network '{recipe.network.name}' behind the encoder '{recipe.data.encoder.name}': "
                "choose fewer steps of the encoder, or a smaller network"
            ) from error
        raise ValueError(
            f"the network '{recipe.network.name}', the encoder '{recipe.data.encoder.name}' and "
            f"the shape {shape} of {recipe.data.dataset.name} do not fit ({error}): choose "
            "another network.name or data.encoder.name"
        ) from error


def few(recipe: Recipe, split: Split, indices: Tensor) -> tuple[Tensor, Tensor, Tensor | None]:
    """Encodes a few items of a split as one batch.

    Args:
        recipe: Names the encoder. What it warns of is not heard: it will be said of all items.
        split: The data as loaded.
        indices: Which items [B].
    """
    encoder = recipe.data.make_encoder()
    warns = logging.getLogger(type(encoder).__module__)
    warns.disabled = True
    try:
        part = encoder.prepare(split.at(indices))
    finally:
        warns.disabled = False
    return next(iter(loader(part, encoder, batch_size=len(indices))))


def build_optimizer(recipe: Recipe, net: nn.Module) -> Optimizer:
    """Builds the optimizer of a recipe for all parameters that require a gradient."""
    learning = [parameter for parameter in net.parameters() if parameter.requires_grad]
    table = recipe.train
    kind, decay = OPTIMIZERS[table.optimizer], table.weight_decay
    if kind is torch.optim.SGD:
        return kind(learning, lr=table.lr, weight_decay=decay, momentum=table.momentum)
    first, second = table.betas
    return kind(learning, lr=table.lr, weight_decay=decay, betas=(first, second), fused=True)


def build_schedule(recipe: Recipe, optimizer: Optimizer, steps: int) -> LRScheduler | None:
    """Builds the learning rate schedule over all ``steps``; None if the rate is constant."""
    if recipe.train.schedule == "constant":
        return None
    return CosineAnnealingLR(optimizer, T_max=steps)


def convention_of(recipe: Recipe) -> Convention:
    """Returns how the trained network is counted: weights that training left out are absent."""
    return Convention(skip_zero_weights="weights" in (recipe.budget.levers or ()))


def ann_steps(recipe: Recipe) -> int | None:
    """Returns the time steps of a comparable ANN: 1 for pictures, None (all steps) for sounds."""
    return 1 if recipe.data.dataset.modality == "image" else None


def build_penalties(recipe: Recipe, allowances: Sequence[Allowance]) -> list[Penalty]:
    """Builds the penalties of a recipe: a budget for each allowance, and a named one if it has one.

    Args:
        recipe: Names a penalty, and says how hard a limit is enforced.
        allowances: What one sample may cost.
    """
    table = recipe.budget
    budgets: list[Penalty] = [
        EnergyBudget(one.limit_pj, margin=table.margin, rho=table.rho, step=table.step, chip=one.on)
        for one in allowances
    ]
    return budgets if recipe.penalty is None else [*budgets, penalty_table.make(recipe.penalty)]


def build_chips(
    recipe: Recipe, allowances: Sequence[Allowance], sample_s: float | None
) -> list[Chip]:
    """Builds what prices a training: the recipe's own chip first, then those of its allowances.

    A chip whose power is limited is on from one sample to the next, see ``Chip.at_rate``.

    Args:
        recipe: Names the chips.
        allowances: What one sample may cost.
        sample_s: Mean duration of a sample in seconds, which limits on a power need.
    """
    chips: dict[str, Chip] = {}
    rates = {None: None} | {one.on: one.rate_hz for one in allowances}
    for on, rate_hz in rates.items():
        chip = recipe.budget.price_list(on)
        if rate_hz is not None:
            assert sample_s is not None
            chip = chip.at_rate(rate_hz, sample_s=sample_s)
        chips[chip.name] = chip if rate_hz is not None else chips.get(chip.name, chip)
    return list(chips.values())


def duration_s(recipe: Recipe, net: nn.Module, train: Split) -> float:
    """Returns the mean duration of a sample in seconds, from a few of the training split."""
    order = torch.randperm(len(train.y), generator=torch.Generator().manual_seed(recipe.seed))
    x, _, lengths = few(recipe, train, order[:_SAMPLES])
    steps = len(x) if lengths is None else float(lengths.double().mean())
    for layer in net.modules():
        steps *= layer.steps if isinstance(layer, Repeat) else 1
    dts = (layer.dt for layer in net.modules() if isinstance(layer, Neuron))
    return steps * next(dts, 1.0)  # without neurons nothing has a duration


def build_levers(recipe: Recipe) -> tuple[Lever, ...]:
    """Builds the levers of a recipe."""
    return tuple(lever(name)() for name in recipe.budget.levers or ())


def training_loader(recipe: Recipe, splits: Splits, processes: int) -> DataLoader:
    """Makes shuffled, augmented batches; ``batch_size`` counts all processes together.

    Raises:
        ValueError: If the batch size is not a multiple of the number of processes.
    """
    augment = recipe.data.augment.augment
    return loader(
        splits.train,
        recipe.data.make_encoder(),
        batch_size=_per_process(recipe, processes),
        shuffle=True,
        augment=augment if augment != Augment() else None,
        generator=torch.Generator().manual_seed(recipe.seed),
    )


def evaluation_loader(recipe: Recipe, split: Split) -> DataLoader:
    """Makes batches in order, without augmentation."""
    return loader(split, recipe.data.make_encoder(), batch_size=recipe.train.batch_size)


def steps_per_epoch(recipe: Recipe, splits: Splits, processes: int) -> int:
    """Returns the number of optimizer steps in one pass over the training set."""
    samples = math.ceil(len(splits.train.y) / processes)
    return math.ceil(samples / _per_process(recipe, processes))


def _per_process(recipe: Recipe, processes: int) -> int:
    size, rest = divmod(recipe.train.batch_size, processes)
    if rest:
        raise ValueError(
            f"train.batch_size = {recipe.train.batch_size} cannot be dealt to {processes} "
            f"processes: give a multiple of {processes}"
        )
    return size
