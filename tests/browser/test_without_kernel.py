"""Readers without a kernel, and machines without a network."""

import copy
import json
import os
import shutil
import socket
import struct
import subprocess
import sys
from pathlib import Path

from tests import notebooks
from tests.browser.lab import ROOT
from tests.refresh_notebooks import joined_streams, kernel_for

import nbformat
import pytest


def convert(path: Path, to: str, folder: Path) -> Path:
    """Export a notebook as any reader does."""
    command = [sys.executable, "-m", "nbconvert", "--to", to, "--output-dir", folder, path]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    return folder / f"{path.stem}.{'html' if to == 'html' else 'md'}"


def pictures_of(path: Path, text: str) -> list[nbformat.NotebookNode]:
    return [
        output
        for cell in notebooks.read(path).cells
        if cell.cell_type == "code" and text in cell.source
        for output in cell.outputs
        if "image/png" in output.get("data", {})
    ]


@pytest.fixture
def offline(browser):
    """A page without a network, and the list of what it asks other hosts for."""
    context = browser.new_context(offline=True)
    page = context.new_page()
    page.asked = []
    page.on("request", lambda request: page.asked.append(request.url))
    yield page
    context.close()


def assert_shows_everything(page, path: Path) -> None:
    pictures = page.locator("img[src^='data:image/png']")
    widths = pictures.evaluate_all("all => all.map(i => i.naturalWidth)")
    assert len(widths) == len(pictures_of(path, "")) and min(widths) > 100
    # The sentence stands under the picture, as pixels: nbconvert has no room for an alternative.
    assert pictures_of(path, "explore("), "an Explorer shows its picture"
    assert page.locator(".jp-RenderedWidget, .widget-subarea").count() == 0, "no dead widget"
    assert "Loading widget" not in page.inner_text("body")


@pytest.mark.parametrize("path", notebooks.PATHS, ids=lambda path: path.stem)
def test_exported_html_shows_everything_without_a_network(path, tmp_path, offline):
    offline.goto(convert(path, "html", tmp_path).as_uri(), wait_until="load")
    assert_shows_everything(offline, path)


@pytest.mark.parametrize("path", notebooks.PATHS, ids=lambda path: path.stem)
def test_exported_markdown_shows_every_picture(path, tmp_path):
    text = convert(path, "markdown", tmp_path).read_text(encoding="utf-8")
    files = list((tmp_path / f"{path.stem}_files").glob("*.png"))
    stored = [o for o in pictures_of(path, "") if "image/png" in o.data]
    assert len(files) == len(stored) > 0
    assert all(file.name in text for file in files)
    assert "VBox(" not in text and "Explorer(" not in text


@pytest.mark.parametrize("path", notebooks.PATHS, ids=lambda path: path.stem)
def test_is_what_github_renders(path):
    """GitHub refuses invalid notebooks, and those whose widget metadata has no state."""
    notebook = json.loads(path.read_text(encoding="utf-8"))
    nbformat.validate(notebook)
    assert (notebook["nbformat"], notebook["nbformat_minor"]) == (4, 5)
    assert "widgets" not in notebook["metadata"]
    assert path.stat().st_size < 1_000_000, "GitHub does not show large notebooks"


def loopback_up() -> None:
    """Switch on `lo`, which a new network namespace has, but down."""
    import fcntl

    SIOCSIFFLAGS, IFF_UP = 0x8914, 0x1
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        fcntl.ioctl(any_socket, SIOCSIFFLAGS, struct.pack("16sh", b"lo", IFF_UP))


def run_without_network() -> None:
    """In a namespace without a route: run the notebooks named on the command line."""
    loopback_up()
    with socket.socket() as outside:
        outside.settimeout(2)
        assert outside.connect_ex(("192.0.2.1", 443)) != 0, "there is a network"
    for name in sys.argv[1:]:
        path = Path(name)
        kernel_for(notebooks.read(path), path).execute()
        print("RAN", path.name)


@pytest.mark.skipif(sys.platform != "linux", reason="network namespaces are Linux's")
def test_every_notebook_runs_without_a_network():
    unshare = shutil.which("unshare")
    assert unshare, "unshare (util-linux) is needed"
    namespace = [unshare, "--net"] if os.getuid() == 0 else [unshare, "--net", "--map-root-user"]
    result = subprocess.run(
        [*namespace, sys.executable, "-m", "tests.browser.test_without_kernel"]
        + [str(path) for path in notebooks.PATHS],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert result.returncode == 0, result.stderr[-3000:]
    assert result.stdout.count("RAN") == len(notebooks.PATHS)


def outputs_of(cell) -> list:
    """What nbval would compare of a cell's outputs."""
    skipped = {"image/png", "application/vnd.jupyter.widget-view+json"}
    return [
        {k: v for k, v in output.get("data", {}).items() if k not in skipped} or output.get("text")
        for output in joined_streams(cell.outputs)
    ]


@pytest.mark.parametrize("path", notebooks.PATHS, ids=lambda path: path.stem)
def test_each_cell_run_twice_in_a_row_gives_the_same(path):
    """A reader runs a cell again to see it once more; it must not depend on how often."""
    notebook = notebooks.read(path)
    client = kernel_for(notebook, path)
    with client.setup_kernel():
        for index, cell in enumerate(notebook.cells):
            if cell.cell_type != "code":
                continue
            client.execute_cell(cell, index)
            first = outputs_of(copy.deepcopy(cell))
            client.execute_cell(cell, index)
            assert outputs_of(cell) == first, f"cell {index}:\n{cell.source}"


if __name__ == "__main__":
    run_without_network()
