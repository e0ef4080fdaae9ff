"""A page for each lever, made from its class."""

from making import markdown
from picojoule.training.levers import kinds


def pages() -> dict[str, str]:
    """The text of every page, by file name."""
    return markdown.class_pages(kinds(), "[All levers](../levers.md)")


def table() -> str:
    """All levers side by side."""
    rows = []
    for name, kind in kinds().items():
        obj = markdown.described(kind)
        link = f"[`{name}`](levers/{name.lower()}.md)"
        rows.append((link, markdown.summary(obj), markdown.advice(obj)))
    return markdown.table(("lever", "what", "take it"), rows)
