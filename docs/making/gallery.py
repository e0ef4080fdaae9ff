"""The pictures of the gallery, each drawn by the code that stands above it on the page."""

import io
import re

import matplotlib
from matplotlib import pyplot

from making import markdown, neurons, pictures

BLOCK = re.compile(
    r"^```python\n(.*?)^```\n(?:\n!\[[^]]*\]\(gallery/([\w-]+\.svg)\))?", flags=re.M | re.S
)


def drawn(page: str) -> dict[str, str]:
    """Every picture as SVG, by file name; the blocks of the page run from top to bottom."""
    names: dict[str, object] = {}
    made = {}
    with matplotlib.rc_context({"svg.hashsalt": pictures.STYLE["svg.hashsalt"], "backend": "svg"}):
        for code, name in BLOCK.findall(page):
            exec(compile(code, name or "gallery.md", "exec"), names)
            if name:
                file = io.StringIO()
                pyplot.gcf().savefig(file, format="svg", metadata={"Date": None})
                made[name] = file.getvalue()
                pyplot.close("all")
    return made


def table() -> str:
    """The picture of every neuron that has one."""
    rows = [
        (f"[`{name}`](neurons/{name.lower()}.md)", f"![{name}](neurons/{name.lower()}.svg)")
        for name, kind in sorted(neurons.kinds().items(), key=lambda item: item[0].lower())
        if neurons.alone(kind) is not None
    ]
    return markdown.table(("neuron", "its answers"), rows)
