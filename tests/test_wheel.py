"""The wheel has every file, and is all that a fresh environment needs."""

import os
import shutil
import subprocess
import sys
import tomllib
import venv
from importlib.metadata import distribution
from pathlib import Path, PurePath
from zipfile import ZipFile

import pytest
from packaging.requirements import Requirement

import picojoule

PACKAGE = Path(picojoule.__file__).parent
ROOT = Path(__file__).parents[1]
BUILT_FROM = ("src", "pyproject.toml", "README.md", "LICENSE")

pytestmark = pytest.mark.skipif(
    not (ROOT / "pyproject.toml").is_file(),
    reason="these tests are not in a clone of the repository",
)


def test_every_file_is_in_the_wheel():
    """The builder takes code by itself, and of all else what the project file names."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["setuptools"]
    patterns = settings["package-data"]["picojoule"]
    files = [path for path in PACKAGE.rglob("*") if path.suffix not in (".py", ".pyi")]
    others = {PurePath(path.relative_to(PACKAGE)) for path in files if path.is_file()}
    others = {path for path in others if "__pycache__" not in path.parts}
    assert len(others) > 30
    assert not {str(path) for path in others if not any(map(path.match, patterns))}
    # None is for files that are gone.
    assert not [pattern for pattern in patterns if not any(p.match(pattern) for p in others)]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """The wheel of these sources, built aside so that no earlier build leaves files in it."""
    folder = tmp_path_factory.mktemp("build")
    for name in BUILT_FROM:
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        copy(ROOT / name, folder / name)
    pip("wheel", "--quiet", "--no-deps", "--no-build-isolation", "-w", folder / "dist", folder)
    (made,) = (folder / "dist").iterdir()
    return made


def test_the_wheel_is_typed_and_holds_the_package_alone(wheel):
    names = ZipFile(wheel).namelist()
    assert "picojoule/py.typed" in names
    tops = {name.partition("/")[0] for name in names}
    assert tops == {"picojoule", wheel.name.partition("-py3")[0] + ".dist-info"}
    kept = {path for path in PACKAGE.rglob("*.py*") if path.suffix in (".py", ".pyi")}
    assert {f"picojoule/{path.relative_to(PACKAGE).as_posix()}" for path in kept} <= set(names)


def test_a_fresh_environment_with_the_wheel_trains(wheel, tmp_path):
    """It holds what the wheel requires, and nothing else of what is installed here."""
    environment = tmp_path / "fresh"
    venv.create(environment)
    fresh = environment / "bin" / "python"
    (site,) = environment.glob("lib/python*/site-packages")
    for name in required("picojoule", frozenset(), set()):
        for top in {
            file.parts[0] for file in distribution(name).files or () if ".." not in file.parts
        }:
            if not (site / top).exists():
                (site / top).symlink_to(distribution(name).locate_file(top))
    pip("--python", fresh, "install", "--quiet", "--no-compile", "--no-index", wheel)
    lines = (
        [fresh, "-c", "import picojoule; print(picojoule.__file__)"],
        [environment / "bin" / "pj", "train", "digits", "--epochs", "1", "--budget", "none"],
    )
    where, trained = (run(line, tmp_path) for line in lines)
    assert Path(where.strip()).is_relative_to(environment)
    assert "test accuracy" in trained


def required(name: str, extras: frozenset[str], seen: set[str]) -> set[str]:
    """The distributions that one with these extras needs, and that these need."""
    for text in distribution(name).requires or ():
        one = Requirement(text)
        of = [{"extra": extra} for extra in ("", *extras)]
        if one.marker is not None and not any(map(one.marker.evaluate, of)):
            continue
        if str(one) not in seen:
            seen.add(str(one))
            required(one.name, frozenset(one.extras), seen)
    return {Requirement(text).name for text in seen}


def pip(*words: object) -> None:
    run([sys.executable, "-m", "pip", "--disable-pip-version-check", *words], ROOT)


def run(line: list[object], folder: Path) -> str:
    """Runs a command that sees nothing of this environment; its output."""
    own = {"PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV"}
    settings = {key: value for key, value in os.environ.items() if key not in own}
    words = [str(word) for word in line]
    done = subprocess.run(words, cwd=folder, env=settings, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
