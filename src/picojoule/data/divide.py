"""From what a publisher divided, or did not, to three splits."""

import torch

from picojoule.data.split import Parts, hold_out
from picojoule.data.store import Part

# Of items that are not divided at all.
_TEST_SHARE = 0.2


def divided(parts: Parts, share: float) -> dict[str, Part]:
    """Three splits: what a publisher did not divide is divided by class, always in the same way.

    Args:
        parts: As they were found.
        share: Of the training items, held out where there is no validation split.
    """
    if parts.test is None:
        rest, held = hold_out(parts.train.y, round(_TEST_SHARE * len(parts.train)))
        train, test = Part(parts.train, rest), Part(parts.train, held)
    else:
        train, test = Part(parts.train), Part(parts.test)
    if parts.validation is not None:
        return {"train": train, "validation": Part(parts.validation), "test": test}
    index = torch.arange(len(parts.train)) if train.index is None else train.index
    rest, held = hold_out(parts.train.y[index], round(share * len(index)))
    validation = Part(parts.train, index[held])
    return {"train": Part(parts.train, index[rest]), "validation": validation, "test": test}
