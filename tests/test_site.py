"""What the site adds to the pages: those outside of docs/, links between them, and its check."""

import inspect
import re

import hooks
import pytest
from making import outside, recipes, reference, web

import picojoule as pj
from pages import ROOT
from picojoule.recipe import recipe_names


def test_a_folder_in_the_navigation_stands_for_its_pages():
    nav = [{"Home": "index.md"}, {"Chips": ["own.md", {"All": "chips/"}]}]
    pages = ["chips/45nm.md", "chips/README.md", "chipset/x.md", "index.md", "own.md"]
    all_chips = ["chips/README.md", "chips/45nm.md"]
    assert hooks.listed(nav, pages) == [
        {"Home": "index.md"},
        {"Chips": ["own.md", {"All": all_chips}]},
    ]


@pytest.mark.parametrize(
    ("here", "link", "there"),
    [
        ("budget.md", "../README.md", "getting-started.md"),
        ("chips/45nm.md", "../your-own-chip.md#prices", "../your-own-chip.md#prices"),
        ("results/README.md", "../../examples/01_neuron.py", "../examples/01_neuron.md"),
        ("getting-started.md", "docs/results/README.md", "results/README.md"),
        ("getting-started.md", "examples", "examples/README.md"),
        ("getting-started.md", "CITATION.cff", "citation.md"),
        ("examples/README.md", "01_neuron.md", "01_neuron.md"),
        ("recipes/digits.md", "../data/digits.md", "../data/digits.md"),
        ("index.md", "https://example.org/a.md", "https://example.org/a.md"),
    ],
)
def test_links_lead_to_where_pages_are_on_the_site(here, link, there):
    found = hooks.LINK.fullmatch(f"]({link})")
    assert (hooks.turned(found, here) if found else f"]({link})") == f"]({there})"


def test_every_page_has_a_place_in_the_navigation():
    text = (ROOT / "mkdocs.yml").read_text("utf-8")
    named = re.findall(r"^ +- (?:[^:\n]+: )?(\S+(?:\.md|/))$", text.split("\nnav:")[1], flags=re.M)
    docs = ROOT / "docs"
    pages = {path.relative_to(docs).as_posix() for path in docs.rglob("*.md")}
    pages |= outside.pages(ROOT).keys()
    assert len(pages) > 80
    assert not {page for page in pages if not page.startswith(tuple(named))}


def test_every_page_outside_is_shown():
    pages = outside.pages(ROOT)
    assert set(outside.PLACES.values()) <= set(pages)
    examples = [*(ROOT / "examples").glob("*.py"), *(ROOT / "examples").rglob("*.ipynb")]
    assert len(examples) > 10
    for example in examples:
        place = outside.place(str(example.relative_to(ROOT)))
        assert re.match(r"# \S", pages[place])
        assert "```python\nimport " in pages[place]
        assert f"({place.removeprefix('examples/')})" in pages["examples/README.md"]


def test_a_recipe_has_its_file_and_links_that_lead_somewhere():
    pages = recipes.pages()
    assert {f"{name}.md" for name in recipe_names()} == set(pages) - {"README.md"}
    for name, page in pages.items():
        assert name == "README.md" or f"pj train {name.removesuffix('.md')}\n" in page
        for link in re.findall(r"\]\(\.\./(\S+)\)", page):
            assert (ROOT / "docs" / link).is_file(), f"{name} links to {link}"


def test_the_reference_has_every_public_name_once():
    pages = reference.pages()
    index = pages.pop("README.md")
    entries = [
        path for page in pages.values() for path in re.findall(r"::: (\S+)\n.*heading", page)
    ]
    assert len(entries) == len(set(entries))
    assert "picojoule.report.plots.spiking.raster" in entries
    names = {name for name in pj.__all__ if not inspect.ismodule(getattr(pj, name))}
    for name in names - {"__version__"}:
        place = re.search(rf"^\| \[`{name}`\]\[(\S+)\] \| ", index, flags=re.M)
        assert place, name
        assert place[1] in entries, name


def test_formulas_need_no_script():
    html = hooks.on_page_content(r'<p><span class="arithmatex">\(\frac{1}{p}\)</span></p>')
    assert html.startswith("<p><math")
    assert "<mfrac>" in html


GOOD = '<link href="a.css"><a href="b.html#x">b</a><a href="https://example.org">else</a>'


def test_a_whole_site_has_no_faults(tmp_path):
    (tmp_path / "a.css").write_text("p {background: url(a.png)}")
    (tmp_path / "index.html").write_text(GOOD)
    (tmp_path / "b.html").write_text('<h1 id="x">')
    assert not list(web.faults(tmp_path))


@pytest.mark.parametrize(
    ("html", "css", "said"),
    [
        ('<link href="https://fonts.example.org/a.css">', "", "loads https://fonts.example.org"),
        ('<script src="//example.org/a.js"></script>', "", "loads //example.org"),
        ('<img src="gone.png">', "", "gone.png, which is not there"),
        ('<a href="gone.html">', "", "gone.html, which is not there"),
        ('<a href="#gone">', "", "no such place"),
        ("", "@font-face {src: url(https://example.org/a.woff)}", "a.css loads from elsewhere"),
        ("", "@import url('//example.org/b.css')", "a.css loads from elsewhere"),
    ],
)
def test_what_is_loaded_from_elsewhere_or_not_there_is_said(tmp_path, html, css, said):
    (tmp_path / "index.html").write_text(html)
    (tmp_path / "a.css").write_text(css)
    (fault,) = web.faults(tmp_path)
    assert said in fault
