"""A JupyterLab of our own and one notebook in it, as the browser tests see them."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from helpers import states

from playwright.sync_api import Locator, Page

ROOT = Path(__file__).parent.parent.parent
# No news, no look for updates: the tests assert that the page asks no other host for anything.
SETTINGS = {
    "@jupyterlab/apputils-extension/notification": {
        "fetchNews": "false",
        "checkForUpdates": False,
    },
    "@jupyterlab/docmanager-extension/plugin": {"autosave": False},
}


@contextmanager
def jupyterlab(folder: Path, *, disabled: list[str] = []) -> Iterator[str]:  # noqa: B006
    """Start JupyterLab on loopback over a copy of the notebooks in `folder`.

    Args:
        folder: An empty folder, for the copy, the settings and the server's log.
        disabled: Names of JupyterLab extensions to do without.

    Yields:
        The address, with a `{}` for the notebook's file name. The server is stopped at the end,
        whatever happened in between.
    """
    shutil.copytree(ROOT / "notebooks", folder / "notebooks")
    settings = folder / "settings"
    for name, values in SETTINGS.items():
        path = settings / f"{name}.jupyterlab-settings"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(values), encoding="utf-8")
    config = folder / "config" / "labconfig" / "page_config.json"
    config.parent.mkdir(parents=True)
    config.write_text(json.dumps({"disabledExtensions": dict.fromkeys(disabled, True)}))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    token = secrets.token_hex(16)
    environment = {k: v for k, v in os.environ.items() if k != states.VARIABLE} | {
        "JUPYTERLAB_SETTINGS_DIR": str(settings),
        "JUPYTERLAB_WORKSPACES_DIR": str(folder / "workspaces"),
        "JUPYTER_CONFIG_DIR": str(folder / "config"),
        "JUPYTER_RUNTIME_DIR": str(folder / "runtime"),
        "JUPYTER_TOKEN": token,
    }
    with (folder / "server.log").open("w") as log:
        server = subprocess.Popen(
            [
                *(sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root"),
                *("--ip=127.0.0.1", f"--ServerApp.port={port}", "--ServerApp.port_retries=0"),
                *(f"--ServerApp.root_dir={folder}", "--LabApp.expose_app_in_browser=True"),
            ],
            env=environment,
            stdout=log,
            stderr=log,
        )
        try:
            _wait_for(f"http://127.0.0.1:{port}/api/status?token={token}", server, folder)
            yield f"http://127.0.0.1:{port}/lab/tree/notebooks/{{}}?token={token}&reset"
        finally:
            server.terminate()
            try:
                server.wait(20)
            except subprocess.TimeoutExpired:
                server.kill()


def _wait_for(url: str, server: subprocess.Popen, folder: Path) -> None:
    for _ in range(240):
        if server.poll() is not None:
            break
        try:
            urllib.request.urlopen(url, timeout=5).close()
            return
        except OSError:
            time.sleep(0.25)
    raise RuntimeError(f"JupyterLab did not start:\n{(folder / 'server.log').read_text()}")


class Notebook:
    """One notebook open in JupyterLab: run it, find its cells, read their outputs.

    Cells out of sight may not be in the page, so what a cell holds is read from JupyterLab's
    model, and a cell is scrolled to before it is looked at.
    """

    _PANEL = "window.jupyterapp.shell.currentWidget"
    _CELLS = f"Array.from({_PANEL}.content.model.cells)"

    def __init__(self, page: Page, url: str):
        self.page = page
        page.goto(url, wait_until="domcontentloaded")
        page.wait_for_selector(".jp-Notebook .jp-Cell", timeout=90_000)
        self.wait_idle()

    def wait_idle(self, seconds: float = 150) -> None:
        """Wait until the kernel is idle and no cell waits for it."""
        self.page.wait_for_function(
            f"() => {{ const p = {self._PANEL}; "
            "return p?.sessionContext?.session?.kernel?.status === 'idle' && "
            f"{self._CELLS}.every(c => c.type !== 'code' || c.executionState !== 'running'); }}",
            timeout=seconds * 1000,
        )

    def command(self, name: str) -> None:
        self.page.evaluate(f"() => window.jupyterapp.commands.execute('{name}')")
        self.wait_idle()

    def run_all(self) -> None:
        self.command("notebook:run-all-cells")

    def restart_and_run_all(self) -> None:
        self.page.evaluate(
            f"async () => {{ await {self._PANEL}.sessionContext.session.kernel.restart(); }}"
        )
        self.wait_idle()
        self.run_all()

    def cells(self) -> list[dict]:
        """All cells as nbformat has them: `cell_type`, `source`, `outputs` …"""
        return self.page.evaluate(f"() => {self._CELLS}.map(c => c.toJSON())")

    def all(self, text: str) -> list[int]:
        """The indices of the code cells whose source contains `text`."""
        return [
            i
            for i, cell in enumerate(self.cells())
            if cell["cell_type"] == "code" and text in "".join(cell["source"])
        ]

    def find(self, text: str) -> int:
        """The index of the first code cell whose source contains `text`."""
        return self.all(text)[0]

    def errors(self) -> list[str]:
        return [
            f"{output['ename']}: {output['evalue']}"
            for cell in self.cells()
            for output in cell.get("outputs", [])
            if output["output_type"] == "error"
        ]

    def cell(self, index: int) -> Locator:
        """The cell at `index` in the page, scrolled into view."""
        self.page.evaluate(
            f"""async (i) => {{
                const notebook = {self._PANEL}.content;
                notebook.activeCellIndex = i;
                await notebook.scrollToItem(i, 'center');
                notebook.widgets[i].node.setAttribute('data-cell', String(i));
            }}""",
            index,
        )
        cell = self.page.locator(f".jp-Notebook .jp-Cell[data-cell='{index}']")
        cell.wait_for(state="attached", timeout=10_000)
        return cell

    def edit_and_run(self, index: int, source: str) -> None:
        """Type `source` in place of what the cell holds, and run it, as a reader would."""
        cell = self.cell(index)
        cell.locator(".cm-content").click()
        self.page.keyboard.press("Control+a")
        self.page.keyboard.insert_text(source)
        self.page.keyboard.press("Shift+Enter")
        self.wait_idle()

    def run(self, index: int) -> None:
        self.cell(index)
        self.command("notebook:run-cell")

    def append_and_run(self, source: str) -> int:
        """Put a new cell with `source` at the end, run it, and return its index."""
        index = self.page.evaluate(
            f"""(source) => {{
                const shared = {self._PANEL}.content.model.sharedModel;
                const index = shared.cells.length;
                shared.insertCell(index, {{cell_type: 'code', source}});
                return index;
            }}""",
            source,
        )
        self.run(index)
        return index

    def new_explorer(self, source: str) -> Explorer:
        return Explorer(self.cell(self.append_and_run(source)))

    def printed(self, source: str) -> str:
        """What `source` prints in the notebook's kernel."""
        index = self.append_and_run(source)
        self.page.wait_for_function(f"(i) => {self._CELLS}[i].outputs.length > 0", arg=index)
        outputs = self.cells()[index]["outputs"]
        return "".join("".join(o["text"]) for o in outputs if o["output_type"] == "stream")

    def close(self) -> None:
        """Shut the kernel down and close the page."""
        self.page.evaluate(f"async () => await {self._PANEL}.sessionContext.shutdown()")
        self.page.close()


class Explorer:
    """One Explorer in the page."""

    def __init__(self, cell: Locator):
        self.cell = cell
        self.image = cell.locator("img.widget-image")
        self.sentence = cell.locator(".widget-html-content [role=status]")
        self.problem = cell.locator(".widget-html-content [role=alert]")
        self.image.wait_for(timeout=20_000)

    def slider(self, nth: int = 0) -> Locator:
        return self.cell.locator(".widget-slider .noUi-handle").nth(nth)

    def readout(self, nth: int = 0) -> str:
        return self.cell.locator(".widget-readout").nth(nth).inner_text()

    def picture(self) -> list[int]:
        """The PNG in the page, decoded to grey values: what a reader sees."""
        return self.image.evaluate(
            """async (img) => {
                await img.decode();
                const canvas = new OffscreenCanvas(img.naturalWidth, img.naturalHeight);
                const context = canvas.getContext('2d');
                context.drawImage(img, 0, 0);
                const data = context.getImageData(0, 0, canvas.width, canvas.height).data;
                const grey = [];
                for (let i = 0; i < data.length; i += 4 * 7) grey.push(data[i]);
                return grey;
            }"""
        )

    def sliders(self) -> int:
        return self.cell.locator(".widget-slider .noUi-handle").count()

    def settle(self, notebook: Notebook) -> None:
        """Wait until the kernel has answered the last move and the page shows the answer."""
        notebook.page.wait_for_timeout(60)
        notebook.wait_idle()
        notebook.page.wait_for_timeout(120)

    def wait_for_sentence(self, text: str, seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while self.sentence.inner_text() != text:
            if time.monotonic() > deadline:
                raise AssertionError(f"{text!r} expected, seen {self.sentence.inner_text()!r}")
            time.sleep(0.02)
