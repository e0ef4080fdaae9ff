"""TOML that people bring, of whatever size and depth: an error within a moment."""

from collections.abc import Callable
from pathlib import Path

import pytest

from bounded import outcome
from picojoule._toml import key_lines, parse
from picojoule.data import dataset
from picojoule.energy import load_chip
from picojoule.energy.chips.chip_file import parse_chip
from picojoule.recipe import load_recipe
from tiny import CHIP

MIB = 1 << 20
TEXTS = {
    "brackets": ("x = " + "[" * 20_000, "nested too deep"),
    "tables in one another": ("x = " + "{a=" * 20_000, "nested too deep"),
    "lists": ("x = " + "[" * 150 + "]" * 150, "nested more than 100 deep"),
    "a long key": (".".join("a" * 400_000) + " = 1", "a key of more than 100 parts"),
    "a long header": ("[" + ".".join(["'a'"] * 100_000) + "]", "a key of more than 100 parts"),
    "a long number": ("x = " + "9" * 5_000, "not valid TOML"),
    "a long hexadecimal number": ("x = 0x" + "f" * 50_000, "more than 64 bits"),
    "no date": ("x = 2020-99-99", "not valid TOML"),
    "megabytes": ("# c\n" * 1_000_000, "expected 1,048,576 at most"),
    "an endless text": ('x = """' + "a\n" * 400_000, "not valid TOML"),
    "quotes": ("x = '" + '"' * 1_000_000, "not valid TOML"),
    "one fault far down": ("zzz = 1\n" + "# c\n" * 50_000, "zzz"),
    "many keys": ("".join(f"k{n} = 1\n" for n in range(5_000)), "k0"),
    "many tables": ("".join(f"[k{n}]\nx = 1\n" for n in range(2_000)), "k0"),
    "a long name": ("a" * 1_000_000 + " = 1", "unknown key 'aaa"),
    "a long text": (f'name = "{"a" * 1_000_000}"\nfiles = 1\n', "name"),
    "no text": ("\x00\xff", "not valid TOML"),
}
READERS: list[Callable[[Path], object]] = [load_chip, load_recipe, dataset]


@pytest.mark.parametrize("read", READERS)
@pytest.mark.parametrize("kind", TEXTS)
def test_it_is_refused_in_a_moment_by_name(tmp_path, kind, read):
    text, said = TEXTS[kind]
    (tmp_path / "mine.toml").write_text(text, "utf-8")
    message = outcome(lambda: read(tmp_path / "mine.toml"))
    assert "mine.toml" in message
    assert said in message or kind == "a long text"
    assert len(message) < 20_000


def test_of_many_mistakes_the_first_are_told():
    wrong = "".join(f'\n[price.wrong{n}]\npj = 1\nsource = "x"' for n in range(300))
    with pytest.raises(ValueError, match="wrong0") as error:
        parse_chip(CHIP + wrong, "mine.toml")
    *told, rest = str(error.value).splitlines()
    assert [line.split(":")[1] for line in told] == [str(10 + 3 * n) for n in range(20)]
    assert rest == "... and 180 more at least"


def test_a_deep_setting_is_a_text_or_refused():
    with pytest.raises(ValueError, match="description"):
        load_recipe("digits", ["description=" + "[" * 20_000, "descriptio=1"])
    with pytest.raises(ValueError, match="expected a setting such as"):
        load_recipe("digits", [".".join("a" * 20_000) + "=1"])


def test_recipes_that_extend_one_another_without_end(tmp_path):
    for number in range(40):
        (tmp_path / f"{number}.toml").write_text(f'extends = "{number + 1}.toml"')
    with pytest.raises(ValueError, match="extends more than 16 others"):
        load_recipe(tmp_path / "0.toml")


def test_a_text_with_a_mark_of_its_order_is_read(tmp_path):
    (tmp_path / "mine.toml").write_text(CHIP, "utf-8-sig")
    assert load_chip(tmp_path / "mine.toml").name == "mine"


def test_keys_in_every_form_have_their_line():
    text = (
        'a = 1 # [x]\n"b".c = {d = 1, e = [\n 1 ]}\n\n[[f]]\ng = """\n[h]\n"""""\n'
        "[f.i]\nj = 1\n[[f]]\ng = '''\n'''\n"
    )
    lines = key_lines(text)
    assert parse(text, "text")["f"][0]["g"] == '[h]\n""'
    expected = {
        "a": 1, "b.c.d": 2, "b.c.e": 2, "f": 5, "f.0.g": 6, "f.0.i": 9, "f.0.i.j": 10, "f.1": 11,
        "f.1.g": 12,
    }  # fmt: skip
    assert {key: lines[tuple(key.split("."))] for key in expected} == expected
    assert ("h",) not in lines
