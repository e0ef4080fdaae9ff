"""The cut of the package: who may import whom, and what stands nowhere."""

import ast
import inspect
import re
import subprocess
import sys
from functools import cache
from pathlib import Path
from types import ModuleType

import pytest

import picojoule

ROOT = Path(picojoule.__file__).parent
FILES = sorted(ROOT.rglob("*.py"))
# The floor plan from the ground up: each room, and the rooms below it that it may import. Small
# helpers that import no room are open to all.
ROOMS = {
    "units": set(),
    "surrogate": set(),
    "readout": set(),
    "targets": set(),
    "contract": set(),
    "kernels": {"surrogate", "contract"},
    "engine": {"surrogate", "contract", "kernels"},
    "neurons": {"surrogate", "contract", "kernels", "engine"},
    "networks": {"surrogate", "readout", "contract", "kernels", "engine", "neurons"},
    "streaming": {"surrogate", "contract", "kernels", "engine", "neurons", "networks"},
    "energy": {"units", "contract"},
    "data": {"targets"},
    "training": {"surrogate", "readout", "targets", "engine", "neurons", "networks", "energy"},
    "recipe": {
        "units",
        "surrogate",
        "readout",
        "neurons",
        "networks",
        "energy",
        "data",
        "training",
    },
    "report": {"units", "readout", "targets", "neurons", "energy", "training", "recipe"},
}
ROOMS["run"] = {*ROOMS}
ROOMS["sweep"] = {*ROOMS}
ROOMS["cli"] = {*ROOMS}
# The rooms within a room, in the same way: a meter sees no chip, and a chip no meter.
WITHIN = {
    "energy": {"chips": set(), "rules": set(), "meter": {"rules"}},
    "data": {
        "readers": set(),
        "encoders": set(),
        "sets": {"readers"},
        "store": {"readers", "encoders", "sets"},
    },
    "training": {"penalties": set(), "levers": set()},
    "report": {"page": set(), "plots": set()},
}


def room(file: Path) -> str:
    """The room a file is in: its folder, or its own name."""
    return file.relative_to(ROOT).parts[0].removesuffix(".py")


@cache
def parsed(file: Path) -> ast.Module:
    return ast.parse(file.read_text("utf-8"), str(file))


def name_of(file: Path) -> str:
    """The dotted name by which a file is imported."""
    parts = file.relative_to(ROOT.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


@cache
def imports(file: Path, package: str = "picojoule") -> set[tuple[str, str]]:
    """Modules of a package that a file imports, if only for types, and which name of each.

    What the stub beside an ``__init__.py`` names is imported, too, though later.
    """
    found = set()
    for node in ast.walk(parsed(file)):
        if isinstance(node, ast.Import):
            found |= {(alias.name, "") for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert not node.level or file.suffix == ".pyi", f"{file}: imports are written in full"
            here = [name_of(file)] if node.level else []
            module = ".".join([*here, *([node.module] if node.module else [])])
            found |= {(module, alias.name) for alias in node.names}
    found = {pair for pair in found if pair[0].split(".")[0] == package}
    stub = file.with_suffix(".pyi")
    return found | imports(stub, package) if stub != file and stub.exists() else found


def rooms_of(file: Path) -> set[str]:
    """The rooms that a file imports from."""
    names = {module.split(".")[1] if "." in module else name for module, name in imports(file)}
    return names - {"", "__version__", room(file)}


HELPERS = {
    room(file)
    for file in FILES
    if file.parent == ROOT and all(name.startswith("_") for name in rooms_of(file))
}


def rooms_within(outer: str, file: Path) -> set[str]:
    """The rooms within a room that a file imports from."""
    modules = [module.split(".") for module, _ in imports(file)]
    return {parts[2] for parts in modules if parts[1:2] == [outer] and len(parts) > 2}


@pytest.mark.parametrize("plan", [ROOMS, *WITHIN.values()], ids=["rooms", *WITHIN])
def test_the_floor_plan_goes_up(plan):
    below = set()
    for name, allowed in plan.items():
        assert allowed <= below, f"{name} imports from rooms above it: {sorted(allowed - below)}"
        below.add(name)


def test_every_room_is_in_the_plan():
    assert {room(file) for file in FILES} - {"__init__"} - HELPERS <= set(ROOMS)
    for outer in set(ROOMS) - HELPERS:
        inner = [path for path in (ROOT / outer).glob("*/") if any(path.glob("*.py"))]
        assert {path.name for path in inner} == set(WITHIN.get(outer, ()))


@pytest.mark.parametrize("name", ROOMS)
def test_imports_go_down(name):
    for file in FILES:
        if room(file) == name:
            wrong = rooms_of(file) - ROOMS[name] - HELPERS
            assert not wrong, f"{file.relative_to(ROOT)} imports from {sorted(wrong)}"


@pytest.mark.parametrize(("outer", "name"), [(o, name) for o in WITHIN for name in WITHIN[o]])
def test_imports_within_a_room_go_down(outer, name):
    for file in (ROOT / outer / name).rglob("*.py"):
        wrong = rooms_within(outer, file) & set(WITHIN[outer]) - WITHIN[outer][name] - {name}
        assert not wrong, f"{file.relative_to(ROOT)} imports from {sorted(wrong)}"


def test_energys_own_files_know_no_meter_and_no_chip():
    for file in (ROOT / "energy").glob("*.py"):
        wrong = rooms_within("energy", file) & {"meter", "chips"}
        assert file.name == "__init__.py" or not wrong, f"{file} imports from {sorted(wrong)}"


def test_energy_loads_no_neuron_and_no_kernel():
    """Looks at what is loaded: a name may be light and the module it lives in heavy."""
    code = (
        "import sys; from picojoule import energy\n"
        "for name in energy.__all__: getattr(energy, name)\n"
        "print(*sys.modules)"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    rooms = {name.split(".")[1] for name in run.stdout.split() if name.startswith("picojoule.")}
    assert not rooms & {"neurons", "engine", "kernels", "networks", "training"}


def test_nobody_imports_the_command_line():
    assert not [file for file in FILES if "cli" in rooms_of(file)]


def test_no_files_import_each_other():
    names = {name_of(file) for file in FILES}
    edges = {}
    for file in FILES:
        found = {(f"{module}.{name}", module) for module, name in imports(file)}
        edges[name_of(file)] = {whole if whole in names else module for whole, module in found}

    def reach(start, seen):
        for following in edges.get(start, set()) - seen:
            seen.add(following)
            reach(following, seen)
        return seen

    circles = [name for name in edges if name in reach(name, set())]
    assert not circles, f"these import each other: {circles}"


def test_nothing_is_left_for_a_subclass_to_forget():
    for file in FILES:
        assert "NotImplementedError" not in file.read_text("utf-8"), file


FACE = """
import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
"""


@pytest.mark.parametrize("face", sorted(ROOT.rglob("__init__.py")), ids=name_of)
def test_a_face_says_one_sentence_and_attaches_what_its_stub_names(face):
    sentence, _, code = face.read_text("utf-8").removeprefix('"""').partition('"""\n')
    assert code == FACE
    assert sentence.endswith(".")
    assert "\n" not in sentence
    here = {path.stem for path in face.parent.iterdir()}
    for node in parsed(face.with_suffix(".pyi")).body:
        assert isinstance(node, ast.ImportFrom)
        for alias in node.names:
            assert alias.asname == alias.name, f"{alias.name} is hidden from type checkers"
            hides = alias.name in here and node.module not in (None, alias.name)
            assert not hides, f"{alias.name} would become the file of that name once loaded"


def private(name: str) -> bool:
    return re.fullmatch(r"_[A-Za-z]\w*", name) is not None


@cache
def defined(file: Path) -> set[str]:
    """Names that a file gives to something, in whatever scope."""
    nodes = list(ast.walk(parsed(file)))
    made = {node.name for node in nodes if isinstance(node, (ast.FunctionDef, ast.ClassDef))}
    stored = [node for node in nodes if isinstance(getattr(node, "ctx", None), ast.Store)]
    fields = {node.attr for node in stored if isinstance(node, ast.Attribute)}
    return made | fields | {node.id for node in stored if isinstance(node, ast.Name)}


@cache
def defined_anywhere() -> set[str]:
    return set().union(*map(defined, FILES))


def borrowed(file: Path, known: set[str]) -> set[str]:
    """Private attributes that a file looks up and no file of the package gives to its objects."""
    own, ours = defined(file), defined_anywhere()
    public = {"_asdict", "_fields", "_make", "_replace"}  # of named tuples
    nodes = [node for node in ast.walk(parsed(file)) if isinstance(node, ast.Attribute)]
    return {
        node.attr
        for node in nodes
        if private(node.attr) and ast.unparse(node) != "sys._getframe"
        if node.attr not in (ours if ast.unparse(node.value) == "self" else own - known) | public
    }


def test_one_file_touches_private_names_of_torch_and_fabric():
    nodes = list(ast.walk(parsed(ROOT / "_torch.py")))
    words = {node.value for node in nodes if isinstance(node, ast.Constant)}
    known = words | {node.attr for node in nodes if isinstance(node, ast.Attribute)}
    known = {name for name in known if isinstance(name, str) and private(name)}
    assert {"_version", "_modules", "_num_iter_calls"} <= known
    for file in set(FILES) - {ROOT / "_torch.py", ROOT / "_numba.py"}:
        words = {node.value for node in ast.walk(parsed(file)) if isinstance(node, ast.Constant)}
        names = {
            name
            for module, name in imports(file, "torch") | imports(file, "lightning_fabric")
            for name in [*module.split("."), name]
        }
        wrong = borrowed(file, known) | words & known | set(filter(private, names))
        assert not wrong, f"{file.relative_to(ROOT)} touches {sorted(wrong)}: see _torch.py"


def test_a_basename_means_one_thing():
    """No two rooms hold files of one name, and no file has the name of another room."""
    places = {}
    for file in FILES:
        if file.stem not in ("__init__", "__main__", "base"):
            places.setdefault(file.stem, set()).add(file.parent)
        places.setdefault(file.parent.name, set()).add(file.parent)
    shared = {name: sorted(map(str, found)) for name, found in places.items() if len(found) > 1}
    assert not shared


# Names of several classes, each public in its own room and read with the room before it.
SHARED_NAMES = {
    "Sizes": {"energy", "data"},  # of a layer's memory; of the splits of a data set
    "Repeat": {"networks", "data"},  # a layer that repeats a step; an encoder that does
}


def test_no_two_classes_have_one_name():
    places = {}
    for file in FILES:
        for node in ast.walk(parsed(file)):
            if isinstance(node, ast.ClassDef):
                places.setdefault(node.name, []).append(room(file))
    shared = {name: rooms for name, rooms in places.items() if len(rooms) > 1}
    assert {name: sorted(rooms) for name, rooms in shared.items()} == {
        name: sorted(rooms) for name, rooms in SHARED_NAMES.items()
    }


@pytest.mark.parametrize("name", picojoule.__all__)
def test_everything_public_is_there_and_described(name):
    thing = getattr(picojoule, name)
    if isinstance(thing, ModuleType) or callable(thing):
        own = thing.__dict__.get("__doc__") if inspect.isclass(thing) else thing.__doc__
        assert own, f"{name} has no docstring"
        assert not own.startswith(f"{name}("), f"{name} has only the docstring of a dataclass"


def test_nothing_else_is_public():
    assert dir(picojoule) == picojoule.__all__
    with pytest.raises(AttributeError, match="No picojoule attribute nothing"):
        picojoule.nothing  # noqa: B018
