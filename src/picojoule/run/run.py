"""A run: a recipe trained in a folder of its own, which may be killed and resumed at any moment."""

import logging
from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import torch
from lightning_fabric import Fabric

from picojoule.data import Splits
from picojoule.networks.within_memory import within_memory
from picojoule.recipe import Recipe
from picojoule.recipe.allowance import Allowance
from picojoule.run.build import build_network, check_fit, copies, steps_per_epoch
from picojoule.run.devices import launched
from picojoule.run.finished import history, spent_pj
from picojoule.run.fit import Step, fit
from picojoule.run.folder import UNCONSTRAINED, Folder, free_path
from picojoule.run.machine import Machine
from picojoule.run.open_data import open_data
from picojoule.run.share_check import check_untrained, check_validated
from picojoule.run.unconstrained import without_budget
from picojoule.run.write_page import PAGE, page_of, put_page
from picojoule.run.writer import Writer
from picojoule.training import BelowFloor
from picojoule.units import format_energy

logger = logging.getLogger(__name__)
_Done = TypeVar("_Done")


@dataclass(frozen=True)
class Run:
    """A run that is ready to train, made by ``start`` or ``resume``.

    Attributes:
        folder: Its folder on disk.
        fabric: The launched Fabric; None if the run is finished.
        splits: Its data; None if the run is finished.
        new: Whether ``start`` made it.
    """

    folder: Folder
    fabric: Fabric | None
    splits: Splits | None
    new: bool

    def train(self) -> Generator[Step, None, None]:
        """Trains to the end, after which the folder has weights, a report and its page.

        If the budget is a share of the unconstrained energy, that energy is measured first, by a
        run without a budget in ``unconstrained/``, unless it is clear before or after some of its
        epochs that the share is below the floor (see ``share_check``). A run that is refused, or a
        new one that fails, before its first step leaves no folder.

        Yields:
            One record for each step and each epoch.

        Raises:
            BelowFloor: If the limit is below the floor, or cannot be hoped to end above it.
            NonFiniteLoss: If the loss becomes infinite or not a number.
            RunHeld: If another process writes to the folder.
            OSError: If the folder cannot be written.
        """
        if self.fabric is None or self.splits is None:
            if not (self.folder.path / PAGE).exists():  # it was killed before it had one
                with Writer(self.folder.path):
                    put_page(page_of(self.folder), self.folder.path / PAGE)
            return
        with _writing(self.fabric, self.folder.path) as writer:
            stepped = False
            try:
                for step in self._train(self.fabric, self.splits, writer):
                    stepped = True
                    yield step
                if self.fabric.is_global_zero:
                    put_page(page_of(self.folder), self.folder.path / PAGE)
            except BelowFloor as error:
                if self.fabric.is_global_zero:
                    self.folder.refuse(str(error))
                raise
            except (ValueError, TypeError, RuntimeError, OSError):
                if self.new and not stepped and self.fabric.is_global_zero:
                    self.folder.discard_untouched()
                raise

    def _train(self, fabric: Fabric, splits: Splits, writer: Writer) -> Iterator[Step]:
        budget = self.folder.recipe.budget
        if budget.share is None:
            yield from fit(self.folder, fabric, splits, writer, allowances=budget.allowances)
            return
        unconstrained = yield from self._without_budget(fabric, splits, writer)
        free_pj = spent_pj(unconstrained)
        allowances = [Allowance(None, budget.share * free_pj)]
        try:
            yield from fit(
                self.folder, fabric, splits, writer, allowances=allowances, free_pj=free_pj
            )
        except BelowFloor as error:
            raise BelowFloor(
                f"with budget.limit = {budget.limit} of the {format_energy(free_pj)} spent without "
                f"a budget: {error}"
            ) from error

    def _without_budget(
        self, fabric: Fabric, splits: Splits, writer: Writer
    ) -> Generator[Step, None, Folder]:
        """Trains without a budget for as long as the share may be kept; returns the folder."""
        recipe, path = self.folder.recipe, self.folder.path / UNCONSTRAINED
        if fabric.broadcast(path.exists()):
            unconstrained = Folder(path)
            check_validated(recipe, history(unconstrained))
        else:
            check_untrained(recipe, splits.train, fabric)
            free = without_budget(recipe)
            unconstrained = _created(fabric, free, self.folder.machine, path)
        for step in fit(unconstrained, fabric, splits, writer):
            yield step
            check_validated(recipe, step.log.history)
        return unconstrained


def start(recipe: Recipe, *, out: str | Path | None = None, machine: Machine | None = None) -> Run:
    """Makes a new run, after everything in recipe and data was checked.

    Args:
        recipe: The recipe to train.
        out: The run's folder, which must not exist; None for a free name below ``runs/``.
        machine: The devices and data folder; None for one device.

    Raises:
        ValueError: If the recipe cannot be built, or its data are missing.
        FileExistsError: If ``out`` exists already.

    Example:
        >>> run = start(load_recipe("digits"))  # doctest: +SKIP
        >>> for step in run.train():  # doctest: +SKIP
        ...     print(step.log.epoch, step.log.loss)
        >>> print(run.folder.report.accuracy.test)  # doctest: +SKIP
    """
    machine = Machine() if machine is None else machine
    recipe, splits = open_data(recipe, machine.data_dir)
    with within_memory(copies(recipe, machine)):
        net = build_network(recipe)
    fabric = launched(machine)
    steps_per_epoch(recipe, splits, fabric.world_size)  # refuses a batch that cannot be dealt
    check_fit(recipe, net, splits.train)
    path = free_path(recipe.name) if out is None else Path(out)
    return Run(_created(fabric, recipe, machine, path), fabric, splits, new=True)


def resume(path: str | Path, *, data_dir: str | None = None, data: str | Path | None = None) -> Run:
    """Opens the run in ``path``, to continue it with the recipe and devices it was started with.

    If the run is finished, its data are not loaded and need not exist.

    Args:
        path: Folder of the run.
        data_dir: Folder of the data sets, if it has moved.
        data: Folder of the user's own data, if it has moved.

    Raises:
        ValueError: If there is no run, a file of it is damaged or was changed by hand, or its data
            are missing or have changed.
    """
    folder = Folder(Path(path))
    folder.check()
    if folder.finished:
        return Run(folder, None, None, new=False)
    machine = folder.machine
    if (threads := torch.get_num_threads()) != machine.threads:
        logger.warning(
            "started with %d threads and resumed with %d: sums may round in another way, so that "
            "the weights differ in their last bits; OMP_NUM_THREADS=%d repeats them exactly",
            machine.threads,
            threads,
            machine.threads,
        )
    _, splits = open_data(folder.recipe, data_dir or machine.data_dir, data)
    fabric = launched(machine)
    return Run(folder, fabric, splits, new=False)


def _created(fabric: Fabric, recipe: Recipe, machine: Machine, path: Path) -> Folder:
    path = fabric.broadcast(path)
    return _in_first(fabric, lambda: Folder.create(recipe, machine, path)) or Folder(path)


@contextmanager
def _writing(fabric: Fabric, run: Path) -> Iterator[Writer]:
    """Holds a run for all processes of its training."""
    writer = Writer(run)
    with ExitStack() as stack:
        _in_first(fabric, lambda: stack.enter_context(writer))
        yield writer


def _in_first(fabric: Fabric, do: Callable[[], _Done]) -> _Done | None:
    """Does something in one process, and raises its error in all; returns None in the others."""
    error = done = None
    if fabric.is_global_zero:
        try:
            done = do()
        except OSError as problem:
            error = problem
    error = fabric.broadcast(error)
    if error is not None:
        raise error
    return done
