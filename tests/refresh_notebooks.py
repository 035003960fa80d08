"""Execute the notebooks and store them in normal form: `make refresh`.

Normal form means that a refresh of an unchanged notebook leaves no difference: cells are run in
order, metadata that varies is dropped, and so is the live half of every widget, whose random
ids mean nothing without the kernel that made them. What stays is what readers without a kernel
see: the picture and the text.
"""

import os
import sys
from pathlib import Path

from helpers import states

import nbformat
from nbclient import NotebookClient

NOTEBOOKS = Path(__file__).parent.parent / "notebooks"
WIDGET = "application/vnd.jupyter.widget-view+json"
METADATA = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}
# What a cell may say about itself. A cell that nbval must not compare gives its reason; the
# answer to a prediction is collapsed (`jupyter.outputs_hidden`) until the reader runs its cell.
CELL_METADATA = ("tags", "nbval-reason", "jupyter")


def normalise(notebook: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """Drop what varies between runs or machines from an executed notebook, in place."""
    notebook.metadata = nbformat.from_dict(METADATA)
    for cell in notebook.cells:
        cell.metadata = nbformat.from_dict(
            {key: cell.metadata[key] for key in CELL_METADATA if cell.metadata.get(key)}
        )
        for output in cell.get("outputs", []):
            if "data" in output:
                output.data.pop(WIDGET, None)
        if "outputs" in cell:
            cell.outputs = joined_streams(cell.outputs)
    return notebook


def joined_streams(outputs: list) -> list:
    """Put neighbouring texts of one stream together: how they are cut is a matter of timing."""
    result: list = []
    for output in outputs:
        last = result[-1] if result else None
        if last and output.output_type == "stream" and output.get("name") == last.get("name"):
            last.text += output.text
        else:
            result.append(output)
    return result


def kernel_for(notebook: nbformat.NotebookNode, path: Path) -> NotebookClient:
    """A client that runs `notebook` in a fresh kernel, in the folder of `path`."""
    return NotebookClient(
        notebook,
        timeout=120,
        kernel_name="python3",
        resources={"metadata": {"path": str(path.parent)}},
        store_widget_state=False,
        record_timing=False,
    )


def refresh(path: Path) -> None:
    """Execute the notebook at `path` in a fresh kernel and write it back in normal form."""
    notebook = nbformat.read(path, as_version=4)
    kernel_for(notebook, path).execute()
    nbformat.write(normalise(notebook), path)


def every_notebook() -> list[Path]:
    """The notebooks, and those of other languages in their folders."""
    return sorted(p for p in NOTEBOOKS.rglob("*.ipynb") if ".ipynb_checkpoints" not in p.parts)


def main(arguments: list[str]) -> None:
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ[states.VARIABLE] = "1"
    for path in map(Path, arguments or every_notebook()):
        print(path.name, flush=True)
        refresh(path)


if __name__ == "__main__":
    main(sys.argv[1:])
