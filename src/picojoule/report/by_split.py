"""Measures of a network on each split, as a report has them."""

from typing import Annotated

from pydantic import Field

from picojoule.report.base import Record, Share
from picojoule.targets import Scored
from picojoule.training import Chosen

_Error = Annotated[float, Field(ge=0)]


class Accuracy(Record):
    """The share of correct predictions (0 to 1) on each split; None if not measured."""

    train: Share | None = None
    validation: Share | None = None
    test: Share


class MacroF1(Record):
    """F1 averaged over the classes (0 to 1) on each split; None if not measured."""

    validation: Share | None = None
    test: Share


class SquaredError(Record):
    """The mean squared error on each split; None if not measured."""

    validation: _Error | None = None
    test: _Error


def by_split(test: Scored, chosen: Chosen | None = None) -> dict[str, Record | None]:
    """Makes the fields of a report that say how good a network is.

    Args:
        test: The comparison on the test set.
        chosen: The choice on the validation set; None if nothing was chosen.
    """
    found: dict[str, Record | None] = {}
    for name, kind in (("accuracy", Accuracy), ("macro_f1", MacroF1), ("mse", SquaredError)):
        value = getattr(test, name)
        validation = None if chosen is None else getattr(chosen, name)
        found[name] = None if value is None else kind(validation=validation, test=value)
    return found
