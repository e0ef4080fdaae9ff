"""The cut of the package: who may import whom, and what stands nowhere."""

import ast
import inspect
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

import picojoule

ROOT = Path(picojoule.__file__).parent
FILES = sorted(ROOT.rglob("*.py"))
# What a room may import of the other rooms; small helpers that import none are open to all.
ROOMS = {
    "surrogate": set(),
    "kernels": {"surrogate"},
    "engine": {"surrogate", "kernels"},
    "neurons": {"surrogate", "kernels", "engine"},
    "networks": {"surrogate", "kernels", "engine", "neurons"},
    "streaming": {"surrogate", "kernels", "engine", "neurons", "networks"},
    "readout": set(),
    "energy": {"contract"},
    "data": set(),
    "training": {"surrogate", "engine", "neurons", "networks", "energy", "readout"},
    "recipe": {"surrogate", "neurons", "networks", "energy", "readout", "data"},
    "report": {"energy", "readout", "training", "recipe"},
}
ROOMS["run"] = {*ROOMS, "run"}
ROOMS["cli"] = {*ROOMS, "cli"}


def room(file: Path) -> str:
    """The room a file is in: its folder, or its own name."""
    return file.relative_to(ROOT).parts[0].removesuffix(".py")


def parsed(file: Path) -> ast.Module:
    return ast.parse(file.read_text("utf-8"), str(file))


def running(tree: ast.AST) -> Iterator[ast.AST]:
    """All of a file but what only type checkers see."""
    for node in ast.iter_child_nodes(tree):
        checked = isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
        if not checked:
            yield node
            yield from running(node)


def imports(file: Path) -> set[tuple[str, str]]:
    """Modules of the package that a file imports, and which name of each."""
    found = set()
    for node in running(parsed(file)):
        if isinstance(node, ast.Import):
            found |= {(alias.name, "") for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{file}: imports are written in full"
            found |= {(node.module or "", alias.name) for alias in node.names}
    return {pair for pair in found if pair[0].split(".")[0] == "picojoule"}


def rooms_of(file: Path) -> set[str]:
    """The rooms that a file imports from."""
    names = {module.split(".")[1] if "." in module else name for module, name in imports(file)}
    return names - {"", "__version__", room(file)}


HELPERS = {
    room(file)
    for file in FILES
    if file.parent == ROOT and all(name.startswith("_") for name in rooms_of(file))
}


@pytest.mark.parametrize("name", ROOMS)
def test_imports_point_one_way(name):
    for file in FILES:
        if room(file) == name:
            wrong = rooms_of(file) - ROOMS[name] - HELPERS
            assert not wrong, f"{file.relative_to(ROOT)} imports from {sorted(wrong)}"


def test_energy_loads_no_neuron_and_no_kernel():
    """Looks at what is loaded: a name may be light and the module it lives in heavy."""
    code = "import sys, picojoule.energy; print(*sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    rooms = {name.split(".")[1] for name in run.stdout.split() if name.startswith("picojoule.")}
    assert not rooms & {"neurons", "engine", "kernels", "networks", "training"}


def test_nobody_imports_the_command_line():
    assert not [file for file in FILES if "cli" in rooms_of(file)]


def test_no_two_rooms_import_each_other():
    edges = {name: set() for name in map(room, FILES)}
    for file in FILES:
        if file.name != "__init__.py" or file.parent != ROOT:
            edges[room(file)] |= rooms_of(file)

    def reach(start, seen):
        for following in edges.get(start, set()) - seen:
            seen.add(following)
            reach(following, seen)
        return seen

    circles = [name for name in edges if name in reach(name, set())]
    assert not circles, f"these import each other: {circles}"


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(ROOT)))
class TestEveryFile:
    def test_says_what_it_is(self, file):
        assert ast.get_docstring(parsed(file)), f"{file} has no docstring"

    def test_prints_nothing(self, file):
        calls = [node for node in ast.walk(parsed(file)) if isinstance(node, ast.Call)]
        names = {call.func.id for call in calls if isinstance(call.func, ast.Name)}
        assert "print" not in names or room(file) == "cli"

    def test_catches_only_what_it_names(self, file):
        for node in ast.walk(parsed(file)):
            if isinstance(node, ast.ExceptHandler):
                assert node.type is not None, f"{file}:{node.lineno}: bare except"
                assert ast.unparse(node.type) not in ("Exception", "BaseException"), (
                    f"{file}:{node.lineno}"
                )

    def test_imports_names_one_by_one(self, file):
        assert "*" not in {name for _, name in imports(file)}

    def test_leaves_nothing_for_later(self, file):
        text = file.read_text("utf-8")
        for word in ("TO" + "DO", "FIX" + "ME", "X" * 3, "NotImplementedError"):
            assert word not in text, f"{file} says {word}"


@pytest.mark.parametrize("name", picojoule.__all__)
def test_everything_public_is_there_and_described(name):
    thing = getattr(picojoule, name)
    if isinstance(thing, ModuleType) or callable(thing):
        own = thing.__dict__.get("__doc__") if inspect.isclass(thing) else thing.__doc__
        assert own, f"{name} has no docstring"
        assert not own.startswith(f"{name}("), f"{name} has only the docstring of a dataclass"


def test_nothing_else_is_public():
    assert set(dir(picojoule)) == {*picojoule.__all__, "__version__"}
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        picojoule.nothing  # noqa: B018
