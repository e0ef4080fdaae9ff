"""Looks through a built site: what pages load from elsewhere, and links that lead nowhere."""

import re
from collections.abc import Iterator
from functools import cache
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote

# What a browser loads by itself, by tag and attribute; an address behind <a href> it does not.
LOADED = {
    ("audio", "src"), ("embed", "src"), ("iframe", "src"), ("img", "src"), ("img", "srcset"),
    ("link", "href"), ("object", "data"), ("script", "src"), ("source", "src"),
    ("source", "srcset"), ("video", "poster"), ("video", "src"),
}  # fmt: skip
FROM_ELSEWHERE = re.compile(r"""(url\(|@import)\s*["']?(https?:)?//""")


class Links(HTMLParser):
    """The links and anchors of a page.

    Attributes:
        loaded: What a browser loads with it.
        followed: What a reader may follow.
        anchors: What links may lead to.
    """

    def __init__(self, text: str) -> None:
        super().__init__()
        self.loaded: list[str] = []
        self.followed: list[str] = []
        self.anchors: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Notes what one tag names."""
        for name, value in attrs:
            if (tag, name) in LOADED:
                self.loaded.append(value or "")
            if (tag, name) == ("a", "href"):
                self.followed.append(value or "")
            if name == "id" or (tag, name) == ("a", "name"):
                self.anchors.add(value or "")


def faults(site: Path) -> Iterator[str]:
    """What is wrong with the pages of a site, and with its styles."""
    read = cache(lambda page: Links(page.read_text("utf-8")))
    for page in sorted(site.rglob("*.html")):
        where = page.relative_to(site)
        links = read(page)
        for target in links.loaded:
            if elsewhere(target):
                yield f"{where} loads {target}"
        if page.name == "404.html":  # its links begin at the root of a server
            continue
        for target in links.loaded + links.followed:
            path, _, anchor = unquote(target).partition("#")
            if elsewhere(target) or target.startswith(("data:", "mailto:", "javascript:")):
                continue
            file = page.parent / path if path else page
            if not file.is_file():
                yield f"{where} links to {target}, which is not there"
            elif anchor and file.suffix == ".html" and anchor not in read(file.resolve()).anchors:
                yield f"{where} links to {target}, where there is no such place"
    for style in sorted(site.rglob("*.css")):
        if FROM_ELSEWHERE.search(style.read_text("utf-8")):
            yield f"{style.relative_to(site)} loads from elsewhere"


def elsewhere(target: str) -> bool:
    """Whether an address is that of another server."""
    return target.startswith(("http:", "https:", "//"))
