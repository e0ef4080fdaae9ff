"""What the documentation shows of the code is made from it, all of it, and leads somewhere."""

import re
import shutil
from pathlib import Path

import make
import pytest
from making import gallery, levers, neurons, penalties, pictures, tables

import picojoule as pj
from pages import MADE, PAGES, ROOT, dead_links
from picojoule.data import DATASETS
from picojoule.networks import NETWORKS

KINDS, PENALTIES, LEVERS = neurons.kinds(), penalties.kinds(), levers.kinds()


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """The documentation, made anew beside what its links lead to."""
    root = tmp_path_factory.mktemp("root")
    for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "LICENSE", "examples", "docs"):
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        copy(ROOT / name, root / name)
    make.pages(root / "docs")
    return root / "docs"


@pytest.mark.parametrize("folder", MADE)
def test_a_page_is_kept_for_every_and_for_nothing_else(made, folder):
    kept, found = (
        {path.name for path in (docs / folder).glob("*.md")} for docs in (ROOT / "docs", made)
    )
    assert kept == found, "make docs"


@pytest.mark.parametrize("name", KINDS)
def test_a_neuron_has_its_equation_its_arguments_and_its_use(made, name):
    page = (made / "neurons" / f"{name.lower()}.md").read_text("utf-8")
    equation = re.search(r"Equation:\n\n```text\n(.*?)```", page, flags=re.S)
    assert equation, f"the docstring of {name} has no 'Equation::'"
    assert re.search(r"\w\[t\] ", equation[1])
    assert "**Arguments**" in page
    assert "Take it " in page


@pytest.mark.parametrize("name", [*PENALTIES, *LEVERS])
def test_a_penalty_or_lever_has_its_arguments_and_its_use(made, name):
    folder = "levers" if name in LEVERS else "penalties"
    page = (made / folder / f"{name.lower()}.md").read_text("utf-8")
    assert "**Arguments**" in page
    assert re.search(r"^Take it (if|for|to) ", page, flags=re.M)


@pytest.mark.parametrize("name", DATASETS)
def test_a_data_set_has_its_licence_its_files_and_what_to_cite(made, name):
    page, one = (made / "data" / f"{name}.md").read_text("utf-8"), DATASETS[name]
    assert f"| licence | {one.licence} |" in page
    assert one.citation in page
    for file in one.files:
        assert file.path in page
        assert (file.sha256 or file.md5 or file.content_sha256) in page


@pytest.mark.parametrize("name", [name for name, kind in KINDS.items() if neurons.alone(kind)])
def test_a_picture_shows_output_and_state(name):
    neuron = neurons.alone(KINDS[name])
    for shape in pictures.SHAPES.values():
        out, states = pictures.answer(neuron, pictures.loud_enough(neuron, shape))
        assert (out >= 1).sum() >= pictures.OUTPUTS
        assert all(len(set(values)) > 1 for values in states.values())


def test_tables_have_every(made):
    every = {"neurons": KINDS, "penalties": PENALTIES, "levers": LEVERS, "networks": NETWORKS}
    every["data"] = DATASETS
    every["gallery"] = {name for name, kind in KINDS.items() if neurons.alone(kind)}
    assert every.keys() == tables.TABLES.keys()
    for page, names in every.items():
        table = (made / f"{page}.md").read_text("utf-8").split("made by make docs -->")[1]
        table = table.split("<!-- end -->")[0]
        assert set(re.findall(r"^\| \[?`(\w[\w-]*)", table, flags=re.M)) == set(names)


def test_links_of_made_pages_lead_somewhere(made):
    pages = [page for page in made.rglob("*.md") if page.parent.name in MADE]
    assert len(pages) > 40
    assert not [dead for page in pages for dead in dead_links(page)]


def test_the_gallery_draws_each_of_its_pictures_and_shows_all_that_there_are():
    drawn = gallery.drawn(PAGES["docs/gallery.md"])
    assert set(drawn) == {path.name for path in (ROOT / "docs" / "gallery").glob("*.svg")}
    assert all("<path" in svg and len(svg) < 200_000 for svg in drawn.values())
    assert set(pj.plots.__all__) - {"style"} == {Path(name).stem for name in drawn}


def test_a_picture_drawn_again_is_the_same():
    first, second = (pictures.drawn("LIF", pj.LIF(1)) for _ in range(2))
    assert first == second
    assert len(first) < 100_000


def test_every_picture_of_a_page_is_small_and_shown():
    shown = {name for page in PAGES.values() for name in re.findall(r"\]\(pages/(\S+)\)", page)}
    pictures = {path.name: path.stat().st_size for path in (ROOT / "docs" / "pages").iterdir()}
    assert len(pictures) == 8
    assert set(pictures) == shown
    assert max(pictures.values()) < 150_000
