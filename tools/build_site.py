"""Build the published pages from the stored notebooks: `make site`.

No notebook is run and TensorFlow is not needed. The notebooks are copied, with their Explorers
and predictions made to move in the page, and Sphinx does the rest.
"""

from __future__ import annotations

import copy
import re
import shutil
import sys
from pathlib import Path

from helpers import states
from tests import notebooks
from tools.explorer_pages import explorer_html, prediction_html

import nbformat
from sphinx.cmd.build import main as sphinx

ROOT = Path(__file__).parent.parent
SOURCE, TARGET = ROOT / "build" / "site-source", ROOT / "build" / "site"


def page(notebook: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """A notebook as the site shows it."""
    notebook = copy.deepcopy(notebook)
    number = 0
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            cell.source = _links(cell.source)
            continue
        tags = cell.metadata.setdefault("tags", [])
        if notebooks.is_hidden(cell):
            tags.append("hide-output")
        for output in cell.outputs:
            data = output.get("data", {})
            alt = output.get("metadata", {}).get("image/png", {}).get("alt")
            if states.MIME in data:
                number += 1
                html = explorer_html(data[states.MIME], data["image/png"], alt, number)
                output["data"] = {"text/html": html}
            elif states.PREDICTION_MIME in data:
                ask = data["text/plain"].splitlines()[0]
                output["data"] = {"text/html": prediction_html(data[states.PREDICTION_MIME], ask)}
            elif alt:
                cell.metadata["mystnb"] = {"image": {"alt": " ".join(alt.split())}}
    return notebook


def _links(text: str) -> str:
    return re.sub(r"\]\(\.\./README\.md[^)]*\)", "](index.md)", text)


def main() -> int:
    shutil.rmtree(SOURCE, ignore_errors=True)
    shutil.copytree(ROOT / "site", SOURCE)
    for path in notebooks.PATHS:
        nbformat.write(page(notebooks.read(path)), SOURCE / path.name)
    return sphinx(["-q", "-W", "--keep-going", "-b", "html", str(SOURCE), str(TARGET)])


if __name__ == "__main__":
    sys.exit(main())
