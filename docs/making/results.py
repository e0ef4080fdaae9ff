"""Tables and figures of the results, each made of the records that lie beside its page."""

import json
import runpy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import picojoule as pj
from making import paper_figures as drawn
from making import paper_marks as marks
from making import paper_networks as networks
from making import papers

FOLDER = Path(__file__).parents[1] / "results"
ANALOG, SRAM = "analog-65nm", "45nm-sram"
LEVELS = (SRAM, f"{SRAM}, multiply", "45nm", "45nm, multiply")
CHIPS = {chip: marks.total(chip) for chip in ("45nm", SRAM)}
TOGETHER = {chip: marks.total(chip) for chip in ("45nm", SRAM, ANALOG)}
HIDDEN = {"45nm": CHIPS["45nm"], "45nm, above the floor": marks.above("45nm"), SRAM: CHIPS[SRAM]}
PAIRS = [
    ("`one-step-cnn7`, steps 4, IF", "`one-step-cnn7`, steps 1, MultiLevelIF levels 4"),
    ("`one-step-vgg16`, steps 4, IF", "`one-step-vgg16`, steps 1, MultiLevelIF levels 4"),
    *(("`one-step-nmnist`", f"`one-step-nmnist-one`, levels {n}") for n in (10, 4)),
]
RESONATORS = ("published", "gain", "slow", "integrators", "adaptive")
NEURONS = {
    "LIF": pj.LIF(),
    "PLIF": pj.PLIF(),
    **{f"LNM, degree {degree}": pj.LNM(degree=degree) for degree in (2, 3, 5)},
}
ACCOUNTS = {
    "neurons alone": marks.neurons,
    "their spikes": marks.spikes,
    ANALOG: marks.total(ANALOG),
    "45nm": CHIPS["45nm"],
}

TABLES: dict[str, Callable[[], str]] = {
    "main-job": lambda: script("main_job.py")["table"](),
    "networks": lambda: script("networks.py")["table"](),
    "conversion": lambda: script("conversion.py")["table"](),
    "plan": papers.progress,
    "keyword-trials": lambda: papers.trials(RESONATORS),
    "keyword-runs": lambda: papers.made_of("keyword"),
    "keyword": lambda: papers.outcomes(
        "keyword", ("45nm", SRAM, ANALOG), {"spikes": marks.spikes, "resonators on": marks.static}
    ),
    "keyword-kinds": lambda: papers.kinds("keyword", ("45nm", SRAM, ANALOG)),
    "keyword-savings": lambda: marks.savings("keyword", ACCOUNTS, points=1.0),
    "keyword-fronts": lambda: marks.fronts("keyword", ACCOUNTS, worst=0.8),
    "regime-runs": lambda: papers.made_of("regime"),
    "regime": lambda: papers.outcomes(
        "regime", ("45nm", SRAM, ANALOG), {"spikes": marks.spikes, "resonators on": marks.static}
    ),
    "regime-fronts": lambda: marks.fronts("regime", ACCOUNTS, worst=0.5),
    "penalties-runs": lambda: papers.made_of("penalties"),
    "penalties-shares": papers.shares,
    "penalties": lambda: papers.outcomes("penalties", ("45nm", SRAM), {}),
    "penalties-savings": lambda: marks.savings("penalties", HIDDEN, 0.5, papers.way),
    "penalties-conversion": lambda: networks.converted(("45nm", SRAM)),
    "one-step-runs": lambda: papers.made_of("one-step"),
    "one-step-pair": lambda: networks.beside("one-step", LEVELS, PAIRS),
    "one-step": lambda: papers.outcomes("one-step", LEVELS, {}),
    "one-step-blocks": lambda: networks.fired("one-step", "one-step-resnet18", "residual sew"),
    "one-step-kinds": lambda: papers.kinds("one-step", (SRAM, "45nm")),
    "learned-runs": lambda: papers.made_of("learned"),
    "learned": lambda: papers.outcomes("learned", ("45nm", SRAM), {}),
    "learned-trials": lambda: papers.trials(["polynomials"]),
    "learned-updates": lambda: networks.updates(("45nm", SRAM), NEURONS),
    "together-runs": lambda: papers.made_of("together"),
    "together": lambda: papers.outcomes("together", [*TOGETHER], {}),
    "together-kinds": lambda: papers.kinds("together", [*TOGETHER]),
    "together-rivals": lambda: marks.rivals("together", [*TOGETHER], points=1.0),
}


def texts() -> dict[str, str]:
    """The text of every file that is nothing but tables, by its path below ``docs/results``."""
    made = {
        "budget/tables.md": (script("budget.py")["tables"], "budget/cells.json"),
        "levers/table.md": (script("levers.py")["table"], "levers/cells.json"),
    }
    return {
        name: table(json.loads((FOLDER / records).read_text("utf-8")))
        for name, (table, records) in made.items()
    }


def script(name: str) -> dict[str, Any]:
    """The functions of a script that makes records."""
    return runpy.run_path(str(FOLDER / name))


def figures() -> dict[str, str]:
    """Every figure as SVG, by its path below ``docs/results``."""
    keyword = {"45nm": CHIPS["45nm"], ANALOG: ACCOUNTS[ANALOG]}
    return {
        "papers/keyword.svg": drawn.fronts("keyword", keyword),
        "papers/penalties.svg": drawn.fronts("penalties", CHIPS, papers.charge, "`penalties-cnn7`"),
        "papers/shares.svg": drawn.shares(),
        "papers/blocks.svg": drawn.blocks(),
        "papers/dynamics.svg": drawn.dynamics(),
        "papers/together.svg": drawn.together(TOGETHER),
    }
