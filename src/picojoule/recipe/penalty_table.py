"""``[penalty]``: checks which penalty a recipe names, and makes it."""

import inspect

from picojoule.recipe.base import Named, check_types, completed, in_picojoule
from picojoule.training.penalties import Penalty, penalty


def checked(table: Named) -> Named:
    """Returns the table with the class's own name and all energies in pJ.

    Raises:
        ValueError: If there is no such penalty, or an option is missing or out of range.
    """
    kind = penalty(table.name)
    name = table.name if ":" in table.name else kind.__name__
    parameters = inspect.signature(kind).parameters.values()
    options = [one for one in parameters if one.kind not in (one.VAR_POSITIONAL, one.VAR_KEYWORD)]
    names = [one.name for one in options]
    for one in options:
        if one.default is one.empty and one.name not in table.params:
            raise ValueError(
                f"penalty '{name}' needs penalty.{one.name}; its options: {', '.join(names)}"
            )
    table = in_picojoule(table.model_copy(update={"name": name}))
    check_types("penalty", table.params, kind)
    table = completed(table, kind)
    make(table)  # refuses a value out of range
    return table


def make(table: Named) -> Penalty:
    """Makes the penalty that a checked table describes."""
    return penalty(table.name)(**table.params)
