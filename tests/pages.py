"""Pages: those of the documentation with the code in them, and those of HTML."""

import json
import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

ROOT = Path(__file__).parents[1]
MADE = ("chips", "data", "levers", "neurons", "penalties")  # folders that `make docs` makes
PAGES = {
    str(path.relative_to(ROOT)): path.read_text("utf-8")
    for path in sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
}


def blocks(page: str, *languages: str) -> list[str]:
    """The code blocks of a page in these languages."""
    found = re.findall(r"^```(\w+)\n(.*?)^```$", PAGES[page], flags=re.M | re.S)
    return [code for language, code in found if language in languages]


def prose(text: str) -> str:
    """A page without its blocks of code."""
    return re.sub(r"^```.*?^```$", "", text, flags=re.M | re.S)


def dead_links(page: Path) -> Iterator[str]:
    """Links to files that are not there, and to headings that their files have not."""
    for target in re.findall(r"\]\(([^)\s]+)\)", prose(page.read_text("utf-8"))):
        if target.startswith(("http://", "https://")):
            continue
        path, _, anchor = target.partition("#")
        file = page.parent / path if path else page
        if not file.exists() or (anchor and anchor not in slugs(file.read_text("utf-8"))):
            yield f"{page} links to {target}"


def slugs(text: str) -> set[str]:
    """What the headings of a page are called in links; the second of one name has a -1."""
    titles = re.findall(r"^#+ (.*)$", prose(text), flags=re.M)
    found: list[str] = []
    for title in titles:
        slug = re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-")
        again = sum(re.fullmatch(rf"{re.escape(slug)}(-\d+)?", one) is not None for one in found)
        found.append(f"{slug}-{again}" if again else slug)
    return set(found)


EMPTY = {"meta", "link", "br", "img", "input", "hr"}  # elements without an end


class Parsed(HTMLParser):
    """A page: its elements with their attributes, its texts, and whether every element ends."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self._open: list[str] = []
        self.feed(page)
        assert self._open == []

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag not in EMPTY:
            self._open.append(tag)

    def handle_endtag(self, tag):
        assert self._open.pop() == tag

    def handle_data(self, data):
        self.texts.append(data)

    @property
    def words(self) -> str:
        return " ".join(self.texts)

    @property
    def figures(self) -> list[dict]:
        return json.loads(next(text for text in self.texts if text.startswith(("[{", "[]"))))

    def having(self, **wanted: str) -> list[dict[str, str | None]]:
        return [given for _, given in self.elements if wanted.items() <= given.items()]
