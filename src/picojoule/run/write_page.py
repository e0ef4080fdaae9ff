"""The page of a run, from what its folder holds."""

from pathlib import Path

from pydantic import ValidationError

from picojoule import _sums
from picojoule.recipe import CHIP_FILE
from picojoule.report.page import RunRecord, run_page
from picojoule.run.damage import warn_of_damage
from picojoule.run.folder import ACTIVITY, LOG, RECIPE, REPORT, Folder
from picojoule.training import Activity

PAGE = "report.html"


def page_of(folder: Folder) -> str:
    """Makes the page of a run, of one that has not ended with what there is of it.

    Raises:
        ValueError: If a file of the run is damaged.
    """
    return run_page(record_of(folder))


def put_page(page: str, file: Path) -> Path:
    """Writes a page to a file, which it returns; of a link that which it names.

    Raises:
        OSError: If it cannot be written, or is no file.
    """
    try:
        _sums.put(file.resolve(), page.encode())
    except OSError as error:
        raise OSError(
            error.errno, f"{file} could not be written ({error.strerror}): name another by --out"
        ) from error
    return file


def record_of(folder: Folder) -> RunRecord:
    """Reads what is known of a run."""
    unconstrained = folder.unconstrained
    read = (RECIPE, CHIP_FILE, LOG, REPORT, ACTIVITY)
    warn_of_damage(folder, read, (LOG,))
    return RunRecord(
        name=folder.path.resolve().name,
        title=folder.recipe.name,
        recipe=folder.read(RECIPE).decode(),
        labels=folder.recipe.data.dataset.labels,
        epochs=folder.log(),
        unconstrained=() if unconstrained is None else unconstrained.log(),
        report=folder.report if folder.finished else None,
        activity=_activity(folder),
    )


def _activity(folder: Folder) -> Activity | None:
    """Reads what the network does with a few inputs; None for runs that did not keep it."""
    if not (folder.path / ACTIVITY).is_file():
        return None
    try:
        return Activity.model_validate_json(folder.read(ACTIVITY))
    except ValidationError as error:
        raise folder.damaged(ACTIVITY, "it is no record of activity") from error
