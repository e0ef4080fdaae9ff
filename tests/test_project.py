"""What the project says of itself: its citation, its issue templates, the versions of Python."""

import ast
import re
import tomllib

import pytest
import yaml

from pages import ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
TEMPLATES = sorted((ROOT / ".github" / "ISSUE_TEMPLATE").glob("*.md"))


def test_the_citation_is_that_of_this_version():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text("utf-8"))
    for key, name in (("title", "name"), ("version", "version"), ("license", "license")):
        assert citation[key] == PROJECT[name]
    assert set(citation["keywords"]) == set(PROJECT["keywords"])
    assert {"cff-version", "message", "authors"} <= citation.keys()


def test_the_changelog_begins_with_this_version():
    (first, *_) = re.findall(r"^## (\S+?),? ", (ROOT / "CHANGELOG.md").read_text("utf-8"), re.M)
    assert first == PROJECT["version"]


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: path.stem)
def test_a_template_has_a_name_and_code_that_runs(path):
    _, head, body = path.read_text("utf-8").split("---\n", 2)
    assert {"name", "about", "labels"} == yaml.safe_load(head).keys()
    for code in re.findall(r"^```python\n(.*?)^```$", body, flags=re.M | re.S):
        exec(compile(ast.parse(code), str(path), "exec"), {})


def test_templates_are_looked_for():
    assert {"bug", "new-chip", "wrong-energy"} <= {path.stem for path in TEMPLATES}
