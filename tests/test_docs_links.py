"""README and documentation: links lead somewhere, and commands exist."""

import re
import shlex
from pathlib import Path

import pytest
import typer

from pages import PAGES, ROOT, blocks, dead_links
from picojoule.cli import app
from picojoule.energy import load_chip
from picojoule.recipe import load_recipe, recipe_names

every_page = pytest.mark.parametrize("page", PAGES)


@every_page
def test_links_lead_somewhere(page):
    assert not list(dead_links(ROOT / page))


def test_every_page_is_linked_from_the_first():
    seen, todo = set(), ["README.md"]
    while todo:
        page = todo.pop()
        seen.add(page)
        for target in re.findall(r"\]\(([^)#\s]+\.md)", PAGES[page]):
            found = ((ROOT / page).parent / target).resolve()
            name = str(found.relative_to(ROOT))
            todo += [name] if name in PAGES and name not in seen else []
    assert seen == set(PAGES)


def commands(page: str) -> list[str]:
    """Every ``pj`` and ``make`` line of a page's shell blocks and inline code."""
    lines = [line for code in blocks(page, "sh") for line in code.splitlines()]
    prose = re.sub(r"^```.*?^```$", "", PAGES[page], flags=re.M | re.S)
    lines += re.findall(r"`([^`\n]+)`", prose)
    return [line for line in lines if re.match(r"(pj|make) [a-z-]", line)]


@every_page
def test_commands_exist(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("my-chip.toml").write_text(*blocks("docs/your-own-chip.md", "toml"), encoding="utf-8")
    for line in commands(page):
        program, *words = shlex.split(line, comments=True)
        if program == "make":
            makefile = (ROOT / "Makefile").read_text("utf-8")
            assert re.search(rf"^{words[0]}:", makefile, flags=re.M), line
        else:
            understood(line, [word for word in words if word != "..."])


def understood(line: str, words: list[str]) -> None:
    """Checks that the command line takes these words."""
    command = typer.main.get_command(app)
    while words and (subcommands := getattr(command, "commands", None)):
        if words[0].startswith("-"):
            assert words.pop(0) in options(command), line
            continue
        assert words[0] in subcommands, line
        command = subcommands[words.pop(0)]
    known, arguments, settings = options(command), [], []
    rest = iter(words)
    for word in rest:
        if not word.startswith("-"):
            arguments.append(word)
            continue
        assert word in known, f"{line}: no option {word}"
        value = None if known[word].is_flag else next(rest, None)
        settings += [value] if word == "--set" and value and "KEY" not in value else []
        if word == "--chip" and value and value != "all":
            assert load_chip(value), line
    if command.name == "train":
        named = arguments[0] if arguments else "digits"
        assert named in recipe_names() or named.endswith(".toml"), line
        load_recipe("digits" if named.endswith(".toml") else named, settings)


def options(command: typer.core.TyperCommand) -> dict:
    return {name: option for option in command.params for name in option.opts if name[0] == "-"}


def test_commands_are_looked_for():
    assert len(commands("README.md")) >= 12
    for wrong in ("pj trian", "pj train --sed 1", "pj train digitz", "pj chips shw 45nm"):
        with pytest.raises((AssertionError, ValueError)):
            understood(wrong, wrong.split()[1:])
