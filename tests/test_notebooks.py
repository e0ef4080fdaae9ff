"""The notebooks run in a kernel, in their short form, and show what they should."""

import re

import nbformat
import pytest
from jupyter_client import KernelManager
from nbclient import NotebookClient

from pages import ROOT

NOTEBOOKS = sorted((ROOT / "examples" / "notebooks").glob("*.ipynb"))


@pytest.fixture(scope="module")
def kernel(tmp_path_factory):
    """One kernel for all notebooks, so that torch is imported once."""
    folder = tmp_path_factory.mktemp("notebooks")
    manager = KernelManager(transport="ipc", ip=str(folder / "kernel"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PICOJOULE_SHORT", "1")
        patch.setenv("PYTHONPATH", str(ROOT / "src"))
        manager.start_kernel(cwd=str(folder))
    yield manager
    manager.shutdown_kernel(now=True)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_runs(kernel, path):
    notebook = nbformat.read(path, as_version=4)
    notebook.cells.insert(0, nbformat.v4.new_code_cell("%reset -f"))  # what the last one left
    NotebookClient(notebook, timeout=120, km=kernel).execute()
    outputs = [out for cell in notebook.cells for out in cell.get("outputs", ())]
    said = "".join(out.text for out in outputs if out.output_type == "stream")
    assert not [out.text for out in outputs if out.get("name") == "stderr"], "a warning is a fault"
    assert any("image/png" in out.get("data", {}) for out in outputs)
    assert re.search(r"accuracy [01]\.\d+.* [pnµ]J", said)
    bars = list(ended(notebook))
    assert bars
    assert all("100%" in bar for bar in bars), bars


def ended(notebook):
    """The last state of every progress bar, as a reader sees it."""
    state = notebook.metadata.widgets["application/vnd.jupyter.widget-state+json"]["state"]
    for widget in state.values():
        if widget["model_name"] == "OutputModel":
            yield "".join(str(out) for out in widget["state"]["outputs"])


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_is_kept_without_outputs_and_has_a_title(path):
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    assert notebook.cells[0].source.startswith("# ")
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert not any(cell.outputs or cell.execution_count for cell in code)
