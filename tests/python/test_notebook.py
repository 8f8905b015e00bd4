"""examples/layers.ipynb runs from its first cell to its last."""

import nbclient
import nbformat
from conftest import SOURCE


def test_the_notebook_runs(tmp_path, monkeypatch):
    # The kernel finds the package where this process found it.
    monkeypatch.setenv("MPLBACKEND", "module://matplotlib_inline.backend_inline")
    notebook = nbformat.read(SOURCE / "examples/layers.ipynb", as_version=4)
    assert not any(cell.get("outputs") for cell in notebook.cells), "outputs are not committed"
    client = nbclient.NotebookClient(notebook, timeout=400, kernel_name="python3",
                                     resources={"metadata": {"path": str(SOURCE / "examples")}})
    client.execute()
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    figures = [output for output in outputs if "image/png" in output.get("data", {})]
    printed = "".join(output["text"] for output in outputs if output.output_type == "stream")
    assert len(figures) == 2 and "tensors exact" in printed
