"""What is in the package is in the wheel."""

import tomllib
from pathlib import Path, PurePath

import pytest

import picojoule

ROOT = Path(picojoule.__file__).parent
PROJECT = Path(__file__).parents[1] / "pyproject.toml"


def test_every_file_is_in_the_wheel():
    """The builder takes code by itself, and of all else what the project file names."""
    if not PROJECT.is_file():
        pytest.skip("these tests are not in a clone of the repository")
    settings = tomllib.loads(PROJECT.read_text("utf-8"))["tool"]["setuptools"]
    patterns = settings["package-data"]["picojoule"]
    files = [path for path in ROOT.rglob("*") if path.suffix not in (".py", ".pyi")]
    others = {PurePath(path.relative_to(ROOT)) for path in files if path.is_file()}
    others = {path for path in others if "__pycache__" not in path.parts}
    assert len(others) > 30
    assert not {str(path) for path in others if not any(map(path.match, patterns))}
    # None is for files that are gone.
    assert not [pattern for pattern in patterns if not any(p.match(pattern) for p in others)]
