"""The training loop: six lines on Lightning Fabric, as a generator that the caller iterates."""

import logging
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import replace
from os import PathLike
from pathlib import Path
from typing import Any

from lightning_fabric import Fabric
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler
from torch.utils.data import DataLoader

from picojoule._torch import set_passes
from picojoule.energy import Chip, Convention, Conventions
from picojoule.engine import engines
from picojoule.readout import Readout
from picojoule.training.batches import Inputs, kind_of, plain, steps_of, unpacked, warn_of_one_hot
from picojoule.training.checkpoint import load, newest, save
from picojoule.training.epoch_sums import EpochSums
from picojoule.training.exits import use_readout
from picojoule.training.finite import LossWatch, check_weights
from picojoule.training.last_batch import check_last_batch
from picojoule.training.levers import Learning, Lever, settle
from picojoule.training.levers.learning import as_before_if_refused
from picojoule.training.measure import check_names
from picojoule.training.penalties.base import Penalty
from picojoule.training.penalties.energy_budget import OR_LEVERS, BelowFloor
from picojoule.training.progress import Progress
from picojoule.training.randomness import check_loader, generators
from picojoule.training.records import EpochRecord, Log
from picojoule.training.task import Task
from picojoule.training.together import Together

logger = logging.getLogger(__name__)

_CHECK_EVERY = (
    50  # steps between two looks at whether the loss was finite, which wait for the device
)


def train(
    net: nn.Module,
    loader: DataLoader,
    optimizer: Optimizer,
    *,
    criterion: Callable[[Tensor, Tensor], Tensor],
    readout: Readout,
    chip: Chip | Sequence[Chip],
    epochs: int,
    penalty: Penalty | Sequence[Penalty] | None = None,
    levers: Sequence[Lever] = (),
    validation: DataLoader | None = None,
    choose: str | None = None,
    checkpoint: str | PathLike[str] | None = None,
    scheduler: LRScheduler | None = None,
    inputs: Inputs | None = None,
    convention: Conventions = Convention(),
    fabric: Fabric | None = None,
) -> Iterator[Log]:
    """Trains a network in place, one record at a time; stop iterating and it stops.

    Before the first step the floor of the training set is measured, without augmentation if
    ``collate_fn.plain`` of its loader has none, and given to a penalty that has a limit. With
    ``validation`` the network ends with the weights of the best epoch within the limit (see
    ``training.choose``), else with the last ones.

    The labels determine what is learned. They have the same type and shape in all batches:

    - ``[B]`` whole numbers: a class for each sample;
    - ``[T, B]`` whole numbers: a class for each step, -1 where a step has none;
    - ``[B]`` or ``[B, K]`` real numbers: regression;
    - ``[T, B, K]`` real numbers: regression for each step, NaN where a step has none.

    A step without a label, or beyond the length of its sequence, counts for nothing: ``criterion``
    and all measures see the other steps alone. Losses are means over labels, energies over samples.

    With ``checkpoint`` every epoch is written there before its record is yielded. A training that
    finds a checkpoint goes on from it and ends with the same weights, bit for bit, as one that was
    never interrupted; one that was finished yields its last record at once.

    Args:
        net: x [T, B, ...] to out [T, B, K], alone or with a state; takes ``lengths=`` if batches
            have them.
        loader: Batches ``(x[T, B, ...], label, lengths[B] or None)``.
        optimizer: Updates the parameters of ``net``.
        criterion: Scores [M, K] and labels to a loss, a mean over the M labels of a batch: of
            samples, or of the steps that have one, end to end. Labels are [M] int64, for
            ``CrossEntropyLoss`` say, or [M, K] numbers (those of [B] are [M, 1]), for ``MSELoss``.
        readout: out [T, B, K] and lengths to scores [B, K]; of labels per step ``readout.each``,
            or another one that gives [T, B, K].
        chip: Prices the energy; several if penalties limit it on several, and what is logged is
            that on the first.
        epochs: Number of epochs in all, those of a checkpoint included.
        penalty: Term of the loss that grows with energy, or several. Each is given the energy on
            the chip that it names: ``EnergyBudget(50_000, chip="loihi")``.
        levers: What training may leave out of the network to save energy, such as ``Gates()``; in
            the end it is plain, and smaller.
        validation: Batches to choose the weights by.
        choose: Name of the measure by which: ``"accuracy"`` or ``"macro_f1"`` of classes (the
            highest), ``"mse"`` of numbers (the lowest); None for accuracy or mean squared error.
        checkpoint: Folder of the checkpoints.
        scheduler: Changes the learning rate after every step.
        inputs: The kind of the network's input, see ``Meter``; if left out, as the loader's
            ``collate_fn.kind`` says (those of ``picojoule.data`` do), else ``"analog"``.
        convention: Convention of counting, see ``Meter``.
        fabric: Device, precision and processes, launched if it has several; one device if left out.

    Yields:
        A ``Log`` for each step, and one with ``history`` at each epoch's end; the last has
        ``chosen``.

    Raises:
        BelowFloor: If the limit is below the floor.
        ValueError: If the optimizer updates no parameter of the network, that has no place for a
            lever, batches have other parts, labels are not of the samples or steps of their batch
            or need other outputs, ``choose`` is no measure of them, the last batch has a single
            item of which a batch norm sees one value, or the checkpoint is damaged or of another
            training.
        NonFiniteLoss: If the loss became infinite or not a number.
        OSError: If a checkpoint could not be written; the one before it is unharmed.
    """
    if isinstance(epochs, bool) or not isinstance(epochs, int) or epochs < 1:
        raise ValueError(f"epochs must be a whole number of at least 1, got {epochs!r}")
    for batches in (loader, *([] if validation is None else [validation])):
        check_loader(batches)
    fabric = fabric or Fabric(accelerator="auto", devices=1)
    with as_before_if_refused(net):
        learning = Learning(net, levers, epochs)
        optimizers = [optimizer, *learning.optimizers]
        use_readout(net, readout)
        model, *wrapped = fabric.setup(net.train(), *optimizers)
        chips = [chip] if isinstance(chip, Chip) else list(chip)
        check_names(chips)
        parts = [penalty] if isinstance(penalty, Penalty) else list(penalty or ())
        together = Together(parts, [one.name for one in chips])
        fabric.to_device(together)
        task = Task(
            fabric=fabric,
            model=model,
            optimizers=wrapped,
            learning=learning,
            criterion=criterion,
            readout=readout,
            chips=chips,
            penalty=together,
            scheduler=scheduler,
            inputs=kind_of(loader, inputs),
            convention=convention,
        )
        progress = Progress(
            fabric, net, optimizers, scheduler, together, generators(loader), by=choose
        )
        check_last_batch(model, loader, fabric)
        in_use = plain(loader)
        floor_known = in_use is not None and not levers  # levers lower it
        folder = None if checkpoint is None else Path(checkpoint)
        batches = fabric.setup_dataloaders(loader, move_to_device=False)
        if folder is not None and (saved := newest(folder)) is not None:
            progress.load_state_dict(load(saved), saved)
        elif together.limits:
            logger.info("measuring the floor of the training set")
            try:
                measured = task.validated(loader if in_use is None else in_use)
                together.start(measured, steps_of(batches, epochs))
            except BelowFloor as error:
                raise BelowFloor(f"{error}{'' if levers else OR_LEVERS}") from None
        logs = _logs(task, progress, batches, folder, validation, floor_known, epochs, levers)
        first = next(logs)  # since the first step refuses what no one can tell before
    yield first
    yield from logs


def _logs(
    task: Task,
    progress: Progress,
    batches: Any,
    folder: Path | None,
    validation: DataLoader | None,
    floor_known: bool,
    epochs: int,
    levers: Sequence[Lever],
) -> Iterator[Log]:
    """Yields all records of a training that is set up, and leaves the network plain."""
    while progress.epoch < epochs:
        record = yield from _epoch(task, progress, batches, folder, validation, floor_known)
        progress.close_epoch(record)
        if folder is not None:
            _keep(progress, folder)
        if progress.epoch < epochs:
            yield progress.epoch_log()
    last = progress.finish()
    settle(progress.net, levers)
    yield last


def _epoch(
    task: Task,
    progress: Progress,
    batches: Any,
    folder: Path | None,
    validation: DataLoader | None,
    floor_known: bool,
) -> Generator[Log, None, EpochRecord]:
    """Yields the record of every step of one epoch, and returns that of the epoch."""
    fabric, epoch = task.fabric, progress.epoch + 1
    watch = LossWatch(fabric.device)
    sums = EpochSums()
    set_passes(batches, progress.epoch)
    for given in batches:
        progress.step += 1
        batch = unpacked(given)
        if progress.step == 1:
            warn_of_one_hot(batch)
        batch = fabric.to_device(batch)
        sums.see(batch).check_measure(progress.by)
        log, energies, counts = task.step(batch, epoch, progress.step)
        watch.see(log.loss, progress.step, energies[""].by_layer, counts)
        sums.add(batch, log, energies)
        if progress.step % _CHECK_EVERY == 0:
            watch.check(fabric, epoch, folder and newest(folder))
        yield log
    watch.check(fabric, epoch, folder and newest(folder))
    check_weights(progress.net, epoch, progress.step, folder and newest(folder))
    return _record(task, progress, sums, validation, floor_known)


def _record(
    task: Task,
    progress: Progress,
    sums: EpochSums,
    validation: DataLoader | None,
    floor_known: bool,
) -> EpochRecord:
    means = sums.read(task.fabric)
    own, *others = means.spent
    ran = _engines(progress)  # before a validation runs the layers again
    multiplier = task.penalty.multiplier
    several = {key: one.item() for key, one in task.penalty.multipliers.items()}
    record = EpochRecord(
        epoch=progress.epoch + 1,
        step=progress.step,
        loss=means.loss,
        accuracy=means.measure("accuracy"),
        energy_pj=own.energy_pj,
        penalty=means.penalty if task.penalty.parts else None,
        multiplier=None if multiplier is None else multiplier.item(),
        validation=None,
        engines=ran,
        floor_pj=own.floor_pj,
        beside={chip.name: one for chip, one in zip(task.chips[1:], others, strict=True)},
        multipliers=several if len(several) > 1 else {},
        mse=means.measure("mse"),
        settled=task.penalty.settled,
    )
    if validation is None:
        return record
    floors_pj = task.penalty.floors_pj if floor_known else {}
    validated = task.validated(validation, floors_pj, means.samples)
    task.penalty.validated(validated)
    if not (progress.epoch or task.learning.optimizers):  # levers lower the floor
        task.penalty.warn(validated)
    return replace(record, validation=validated)


def _engines(progress: Progress) -> dict[str, str]:
    """Returns the engine of each layer's last step; warns of layers that run step by step."""
    verdicts = engines(progress.net)
    if not progress.epoch:
        for layer, verdict in verdicts.items():
            if verdict.engine == "eager":
                logger.warning("layer '%s' runs step by step: %s", layer, verdict.why)
    return {layer: str(verdict) for layer, verdict in verdicts.items()}


def _keep(progress: Progress, folder: Path) -> None:
    """Writes a checkpoint, on one process for all."""
    state = progress.state_dict()
    if progress.fabric.is_global_zero:
        save(folder, progress.epoch, state)
    progress.fabric.barrier()
