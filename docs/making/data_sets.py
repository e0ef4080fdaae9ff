"""A page for each data set, made from its file."""

import re

from making import markdown
from picojoule.data import DATASETS, Dataset, File

SHOWN = 100  # classes


def pages() -> dict[str, str]:
    """The text of every page, by file name."""
    return {f"{name}.md": page(one) for name, one in DATASETS.items()}


def page(one: Dataset) -> str:
    """One data set."""
    facts = [
        ("what an item is", f"{one.modality}, {shape(one)}"),
        ("training + validation + test", sizes(one)),
        ("division", one.division or "its publisher's"),
        ("format", f"`{one.format}`"),
        ("licence", one.licence),
        ("how it comes", comes(one) + (f", from {linked(one.page)}" if one.page else "")),
        *(
            (key, str(value))
            for key, value in (("mean", one.mean), ("deviation", one.std))
            if value
        ),
        *([("speakers", ", ".join(f"`{name}`" for name in one.speakers))] if one.speakers else []),
    ]
    parts = [f"# {one.name}", one.description, markdown.table(("", ""), facts).rstrip()]
    parts.append(f"```sh\n{'' if one.page else fetched(one)}pj data show {one.name}\n```")
    parts.append(f"**{one.classes:,} classes**\n\n{classes(one)}")
    if one.files:
        parts.append("**Files**\n\n" + markdown.table(("file", "checksum"), files(one)).rstrip())
    return "\n\n".join([*parts, f"**Cite**\n\n{one.citation}", "[All data](../data.md)"]) + "\n"


def table() -> str:
    """All named data sets side by side."""
    rows = [
        (f"[`{name}`](data/{name}.md)", one.description, f"{one.classes:,}", sizes(one), comes(one))
        for name, one in DATASETS.items()
    ]
    columns = ("name", "what", "classes", "training + validation + test", "how it comes")
    return markdown.table(columns, rows)


def sizes(one: Dataset) -> str:
    """Number of items of each split."""
    return " + ".join(f"{size:,}" for size in one.sizes)


def comes(one: Dataset) -> str:
    """How a data set gets onto a machine."""
    if one.page:
        return "by hand"
    return "with scikit-learn" if one.format == "bundled" else "`pj data get`"


def linked(text: str) -> str:
    """Text with its addresses as links."""
    return re.sub(r"https://\S+", r"<\g<0>>", text)


def shape(one: Dataset) -> str:
    """The shape of an item."""
    if one.rate_hz:
        return f"{one.rate_hz:,} numbers a second"
    return " x ".join(map(str, one.inputs)) + (" inputs" if len(one.inputs) == 1 else "")


def fetched(one: Dataset) -> str:
    """The command that fetches it."""
    return "" if one.format == "bundled" else f"pj data get {one.name} --data-dir DIR\n"


def classes(one: Dataset) -> str:
    """The names of the classes, the first ones if there are many."""
    shown = ", ".join(f"`{label}`" for label in one.labels[:SHOWN])
    return shown + (", ..." if one.classes > SHOWN else "")


def files(one: Dataset) -> list[tuple[str, str]]:
    """Every file to fetch, with its address and checksum."""
    return [
        (
            f"[{file.path}]({file.url})" if file.url else file.path,
            checksum(file),
        )
        for file in one.files
    ]


def checksum(file: File) -> str:
    """What a file is checked by."""
    if file.checksum is not None:
        return "{} `{}`".format(*file.checksum)
    return f"sha256 of what is in it, `{file.content_sha256}`"
