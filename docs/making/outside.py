"""Pages of the site that lie in the repository outside of ``docs/``: their places and texts."""

import ast
import json
import posixpath
from pathlib import Path

PLACES = {
    "README.md": "getting-started.md",
    "CHANGELOG.md": "changelog.md",
    "CONTRIBUTING.md": "contributing.md",
    "CITATION.cff": "citation.md",
    "LICENSE": "license.md",
    "examples": "examples/README.md",
}
SOURCES = {place: source for source, place in PLACES.items()}
TITLES = {"CITATION.cff": "How to cite", "LICENSE": "License"}  # of what is no page of its own
CODE = (".py", ".ipynb")
INDEX = """\
# Examples

Short files, to be read in order, and notebooks. All of them run in the tests.

"""


def place(source: str) -> str:
    """Where a file of the repository is on the site."""
    if source.startswith("examples/") and source.endswith(CODE):
        return posixpath.splitext(source)[0] + ".md"
    return PLACES.get(source, source.removeprefix("docs/"))


def source(place: str) -> str:
    """Where a page of the site is in the repository."""
    if place.startswith("examples/"):
        return place
    return SOURCES.get(place, f"docs/{place}")


def pages(root: Path) -> dict[str, str]:
    """The text of every page, by its place."""
    made = {}
    for name, to in PLACES.items():
        if (root / name).is_file():
            text = (root / name).read_text("utf-8")
            title = TITLES.get(name)
            made[to] = f"# {title}\n\n```text\n{text}```\n" if title else text
    examples = sorted(path for path in (root / "examples").rglob("*") if path.suffix in CODE)
    for path in examples:
        show = example if path.suffix == ".py" else notebook
        made[place(path.relative_to(root).as_posix())] = show(path.read_text("utf-8"))
    titles = {to: text.split("\n", 1)[0].lstrip("# ") for to, text in made.items()}
    links = [f"- [{titles[to]}]({posixpath.relpath(to, 'examples')})\n" for to in made if "/" in to]
    return made | {"examples/README.md": INDEX + "".join(links)}


def example(code: str) -> str:
    """An example: what it says of itself, and its code."""
    about = ast.get_docstring(ast.parse(code)) or ""
    title, _, rest = about.partition("\n")
    body = code.split('"""\n', 1)[1].lstrip("\n")
    return f"# {title.rstrip('.')}\n\n{rest.strip()}\n\n```python\n{body}```\n"


def notebook(text: str) -> str:
    """A notebook: its text and its code."""
    cells = json.loads(text)["cells"]
    parts = [(cell["cell_type"], "".join(cell["source"])) for cell in cells]
    shown = [part if kind == "markdown" else f"```python\n{part}\n```" for kind, part in parts]
    return "\n\n".join(shown) + "\n"
