"""Makes what the documentation shows of the code anew, which ``make docs`` runs.

``python docs/make.py results``, which ``make results`` runs, makes the tables and figures of the
results anew, from the records that lie beside them: nothing is trained.
"""

import sys
from pathlib import Path

from making import chips, data_sets, gallery, levers, neurons, penalties, results, tables

from picojoule.recipe import Recipe, toml
from picojoule.recipe.keys import every_key

HERE = Path(__file__).parent


def pages(docs: Path) -> None:
    """Writes every page, and every table of the pages in ``docs`` that are written by hand."""
    write(docs / "chips", "*.md", chips.pages())
    write(docs / "neurons", "*.md", neurons.pages())
    write(docs / "penalties", "*.md", penalties.pages())
    write(docs / "levers", "*.md", levers.pages())
    write(docs / "data", "*.md", data_sets.pages())
    for page in sorted(docs.glob("*.md")):
        tables.fill(page)


def write(folder: Path, kind: str, files: dict[str, str]) -> None:
    """Makes these the only files of a kind in a folder."""
    folder.mkdir(exist_ok=True)
    for old in folder.glob(kind):
        old.unlink()
    for name, text in files.items():
        (folder / name).write_text(text, encoding="utf-8")


def result_pages(docs: Path) -> None:
    """Writes every text of the results that is made of records, and the table of README.md."""
    for name, text in results.texts().items():
        (docs / "results" / name).write_text(text, encoding="utf-8")
    for page in sorted((docs / "results").rglob("*.md")):
        tables.fill(page, results.TABLES, "make results")
    tables.fill(docs.parent / "README.md", results.TABLES, "make results")


def result_figures(docs: Path) -> None:
    """Draws every figure of the results."""
    for name, text in results.figures().items():
        (docs / "results" / name).write_text(text, encoding="utf-8")


def keys() -> str:
    """Returns every key of a recipe, for completion, which cannot wait for torch."""
    return toml.dumps(every_key(Recipe))


def code() -> None:
    """Makes all that is made of the code."""
    pages(HERE)
    (HERE.parent / "src" / "picojoule" / "cli" / "keys.toml").write_text(keys(), encoding="utf-8")
    write(HERE / "neurons", "*.svg", neurons.drawn())
    write(HERE / "gallery", "*.svg", gallery.drawn((HERE / "gallery.md").read_text("utf-8")))


if __name__ == "__main__":
    if sys.argv[1:] == ["results"]:
        result_pages(HERE)
        result_figures(HERE)
    else:
        code()
