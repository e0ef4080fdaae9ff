"""The run without a budget that a share is of: in a run's own folder, made there or brought."""

import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path

from picojoule import _sums
from picojoule.recipe import CHIP_FILE, Recipe
from picojoule.run.folder import LOG, MACHINE, RECIPE, REPORT, UNCONSTRAINED, Folder

# What a finished run must have to say what it spent: neither weights nor checkpoints.
_BROUGHT = (RECIPE, MACHINE, CHIP_FILE, LOG, REPORT)


def without_budget(recipe: Recipe) -> Recipe:
    """Returns the recipe that says what another one spends without a budget."""
    budget = recipe.budget.model_copy(update={"limit": "none", "levers": None})
    return recipe.model_copy(update={"budget": budget})


def record(run: Folder) -> dict[str, str]:
    """Returns the files by which a finished run without a budget stands for itself in others.

    Raises:
        ValueError: If one is damaged.
    """
    return {name: run.read(name).decode() for name in _BROUGHT if (run.path / name).is_file()}


def bring(run: Folder, files: Mapping[str, str]) -> None:
    """Puts the record of a run without a budget into another run, whole or not at all.

    Nothing is done if one is there already. A run that has it measures none of its own, also after
    it was interrupted or copied.

    Args:
        run: A run whose budget is a share.
        files: What ``record`` returned of the run with the same recipe without a budget.

    Raises:
        ValueError: If they are of another recipe.
        OSError: If it cannot be written.
    """
    path = run.path / UNCONSTRAINED
    if path.exists():
        return
    making = Path(tempfile.mkdtemp(prefix=f".{UNCONSTRAINED}-", dir=run.path))
    try:
        making.chmod(0o755)
        for name, text in files.items():
            _sums.write(making / name, text.encode())
        if Folder(making).recipe.sha256 != without_budget(run.recipe).sha256:
            raise ValueError(
                f"'{run.path}' cannot take what another recipe spent without a budget: the two "
                "differ in more than their limits"
            )
        making.rename(path)
    finally:
        shutil.rmtree(making, ignore_errors=True)
