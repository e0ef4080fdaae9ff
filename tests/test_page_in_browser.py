"""The pages of a run and of a sweep in a real browser: they draw, and work for everybody.

``PICOJOULE_PICTURES=docs/pages`` has it write the pictures that the documentation shows.
"""

import io
import itertools
import json
import os
import shutil
from functools import cache
from pathlib import Path

import pytest
from PIL import Image

from pages import ROOT
from picojoule import run
from picojoule.recipe import load_recipe
from picojoule.report.page import sweep_page
from picojoule.run.write_page import PAGE
from tiny import SETTINGS

browser_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="there is no chromium")
WIDE, PHONE = {"width": 1280, "height": 900}, {"width": 390, "height": 844}
PAPER = {"width": 794, "height": 1123}  # A4 at 96 dots per inch
SCREENS = {
    "wide": {},
    "dark": {"color_scheme": "dark"},
    "phone": {"viewport": PHONE, "is_mobile": True},
    "print": {"viewport": PAPER},
}
HIGHEST = 1700  # pixels of a picture for the documentation, from the top of the page
SWEEP = ROOT / "docs" / "results" / "sweep"


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """The page of a run, and that of the sweep that the documentation has."""
    folder = tmp_path_factory.mktemp("browser")
    settings = [
        *SETTINGS,
        "network.width=64",
        "train.epochs=6",
        "train.batch_size=64",
        "train.lr=5e-3",
    ]
    recipe = load_recipe("digits", [*settings, "budget.limit=80%"])
    for _ in run.start(recipe, out=folder / "digits").train():
        pass
    sweep = folder / "sweep.html"
    content = json.loads((SWEEP / "results.json").read_text("utf-8"))
    latex = (SWEEP / "results.tex").read_text("utf-8")
    sweep.write_text(sweep_page(content, latex, links=False), "utf-8")
    return {"run": folder / "digits" / PAGE, "sweep": sweep}


@pytest.fixture(scope="module")
def browser():
    with browser_api.sync_playwright() as playwright:
        # A sandbox needs rights that a container may not give; the page is our own.
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def opened(browser, files):
    """Opens a page as a screen of some kind sees it; gives it, and what goes wrong in it."""

    def opened(which, **screen):
        wrong = []
        page = browser.new_context(**{"viewport": WIDE, **screen}).new_page()
        page.on("console", lambda told: wrong.append(f"console: {told.text}"))
        page.on("pageerror", lambda error: wrong.append(f"error: {error}"))
        asked = f"file://{files[which]}"
        page.on("request", lambda one: one.url == asked or wrong.append(f"request: {one.url}"))
        page.goto(asked)
        if screen.get("java_script_enabled", True):
            page.wait_for_selector("body[data-ready]", timeout=20_000)
        return page, wrong

    return opened


@pytest.fixture
def show(opened):
    """Opens a page for one test; in the end nothing may have gone wrong."""
    pages = []

    def shown(which="run", **screen):
        pages.append(opened(which, **screen))
        return pages[-1][0]

    yield shown
    for page, wrong in pages:
        page.context.close()
        assert wrong == []


@pytest.fixture(scope="module")
def kept(opened):
    return cache(lambda which, screen: opened(which, **SCREENS[screen]))


@pytest.fixture
def look(kept):
    """Gives a page to tests that change nothing in it, which is opened once for all of them."""
    found = []

    def looked(which, screen="wide"):
        page, wrong = kept(which, screen)
        found.append(wrong)
        return page

    yield looked
    assert not any(found), found


def shown(page, what: str) -> list[bool]:
    return page.eval_on_selector_all(what, "all => all.map(one => one.checkVisibility())")


def picture(page, name: str) -> None:
    """Writes the top of a page as the documentation shows it, if that is asked for."""
    if folder := os.environ.get("PICOJOULE_PICTURES"):
        seen = Image.open(io.BytesIO(page.screenshot(full_page=True)))
        top = seen.crop((0, 0, seen.width, min(seen.height, HIGHEST)))
        top.save(Path(folder) / f"{name}.webp", quality=80, method=6)


@pytest.mark.parametrize("screen", SCREENS)
@pytest.mark.parametrize("which", ["run", "sweep"])
def test_on_every_screen_it_is_drawn_and_nothing_sticks_out(show, look, which, screen):
    page = look(which, screen) if screen != "print" else show(which, **SCREENS[screen])
    if screen == "print":
        page.emulate_media(media="print")
        page.evaluate("window.dispatchEvent(new Event('beforeprint'))")
    charts = page.locator(".plot:visible .main-svg:first-child")
    assert charts.count() > 0
    width = page.viewport_size["width"]
    for chart in charts.all():
        box = chart.bounding_box()
        assert box["width"] > 0.2 * width
        assert box["x"] + box["width"] <= width
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    picture(page, f"{which}-{screen}")


@pytest.mark.parametrize(("which", "charts"), [("run", 9), ("sweep", 1)])
def test_every_chart_is_drawn(look, which, charts):
    page = look(which)
    drawn = page.eval_on_selector_all(
        ".plot", "all => all.map(one => one.querySelectorAll('.trace').length)"
    )
    assert len(drawn) == charts
    figures = page.evaluate("JSON.parse(document.getElementById('figures').textContent)")
    for traces, figure in zip(drawn, figures, strict=True):
        # Of a layer without a spike there is nothing to draw.
        assert traces >= len([one for one in figure["data"] if one["x"] and one["type"] == "bar"])
        assert traces > 0


@pytest.mark.parametrize("which", ["run", "sweep"])
def test_in_the_dark_text_is_light(look, which):
    page = look(which, "dark")
    luminance = """colour => {
        const [r, g, b] = colour.match(/[\\d.]+/g).slice(0, 3).map(Number);
        return 0.2126 * r + 0.7152 * g + 0.0722 * b;
    }"""
    ground = page.evaluate(f"({luminance})(getComputedStyle(document.body).backgroundColor)")
    texts = page.eval_on_selector_all(
        ".plot text, p, td, th, h2",
        f"all => all.map(one => getComputedStyle(one)).map(style => "
        f"({luminance})(style.fill !== 'rgb(0, 0, 0)' ? style.fill : style.color))",
    )
    assert ground < 60
    assert min(texts) > 140


def test_the_keyboard_chooses_another_chip(show):
    page = show()
    assert shown(page, "#energy .choice") == [True, False]
    for _ in range(30):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.classList.contains('choose')"):
            break
    page.keyboard.press("ArrowDown")
    assert shown(page, "#energy .choice") == [False, True]
    plot = page.locator("#energy .choice.chosen .plot")
    assert plot.locator(".trace").count() > 0
    assert plot.locator(".main-svg").first.bounding_box()["width"] > 400


@pytest.mark.parametrize("which", ["run", "sweep"])
def test_a_screen_reader_hears_what_charts_say(look, which):
    page = look(which)
    for plot in page.locator(".plot").all():
        assert plot.get_attribute("role") == "img"
        assert plot.get_attribute("aria-label")
    assert page.locator("main").count() == page.locator("h1").count() == 1
    assert page.locator("html").get_attribute("lang") == "en"
    levels = page.eval_on_selector_all("h1, h2, h3", "all => all.map(one => +one.tagName[1])")
    assert all(after - before <= 1 for before, after in itertools.pairwise(levels))
    assert page.locator("th:not([scope])").count() == 0


@pytest.mark.parametrize("which", ["run", "sweep"])
def test_without_scripts_the_numbers_are_there(show, which):
    page = show(which, java_script_enabled=False)
    assert not page.locator(".plot").first.is_visible()
    for details in page.locator("summary").all():
        details.click()
    assert all(one.is_visible() for one in page.locator("table").all())
    assert all(one.is_visible() for one in page.locator(".choice h3").all())  # chips by name
    assert not any(one.is_visible() for one in page.locator("select").all())


@pytest.mark.parametrize("which", ["run", "sweep"])
def test_in_print_everything_is_open(show, tmp_path, which):
    page = show(which)
    page.pdf(path=tmp_path / "page.pdf")
    assert (tmp_path / "page.pdf").stat().st_size > 20_000
    page.emulate_media(media="print")
    page.evaluate("window.dispatchEvent(new Event('beforeprint'))")
    assert all(page.eval_on_selector_all("details", "all => all.map(one => one.open)"))
    assert not page.locator("nav").is_visible()
