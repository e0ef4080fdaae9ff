"""What mkdocs asks when it builds the site: pages that are not in ``docs/``, links, formulas.

Pages of the repository that lie outside of ``docs/`` have a place on the site, and links between
all of them are turned to where they are. Recipes and the reference are made when the site is.
"""

import posixpath
import re
from pathlib import Path
from typing import Any

from latex2mathml import converter
from making import outside, recipes, reference, web
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).parents[1]
LINK = re.compile(r"(\]\()([^)\s#]+)((?:#[^)\s]*)?\))")
FORMULA = re.compile(r'<(span|div) class="arithmatex">\\[(\[](.*?)\\[)\]]</\1>', flags=re.S)
FENCED = re.compile(r"(^```.*?^```$)", flags=re.M | re.S)


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Adds the pages that are not in ``docs/``, and those of each folder to the navigation."""
    made = {f"recipes/{name}": text for name, text in recipes.pages().items()}
    made |= {f"reference/{name}": text for name, text in reference.pages().items()}
    for path, text in (made | outside.pages(ROOT)).items():
        files.append(File.generated(config, path, content=text))
    pages = sorted(file.src_uri for file in files.documentation_pages())
    config.nav = listed(config.nav, pages)
    return files


def listed(nav: Any, pages: list[str]) -> Any:
    """The navigation with the pages of every folder in it, its ``README.md`` first."""
    if isinstance(nav, list):
        return [listed(one, pages) for one in nav]
    if isinstance(nav, dict):
        return {title: listed(one, pages) for title, one in nav.items()}
    if not nav.endswith("/"):
        return nav
    found = [page for page in pages if page.startswith(nav)]
    return sorted(found, key=lambda page: not page.endswith("/README.md"))


def on_page_markdown(markdown: str, page: Page, **_: Any) -> str:
    """Turns links to where pages are on the site; what is in code stays."""
    here = page.file.src_uri
    parts = FENCED.split(markdown)
    parts[::2] = [LINK.sub(lambda found: turned(found, here), part) for part in parts[::2]]
    return "".join(parts)


def turned(link: re.Match[str], here: str) -> str:
    """One link of a page of the site, as it is written in the repository."""
    before, target, after = link.groups()
    if "://" in target:
        return link[0]
    folder = posixpath.dirname(outside.source(here))
    path = outside.place(posixpath.normpath(posixpath.join(folder, target)))
    return before + posixpath.relpath(path, posixpath.dirname(here) or ".") + after


def on_page_content(html: str, **_: Any) -> str:
    """Makes MathML of formulas, which browsers draw by themselves."""
    return FORMULA.sub(lambda found: formula(found[2], found[1] == "div"), html)


def formula(latex: str, block: bool) -> str:
    """One formula."""
    return converter.convert(latex, display="block" if block else "inline")


def on_post_build(config: MkDocsConfig) -> None:
    """Refuses a site whose pages load anything from elsewhere or lead nowhere."""
    faults = list(web.faults(Path(config.site_dir)))
    if faults:
        raise PluginError("\n".join(["the site is not whole:", *faults]))
