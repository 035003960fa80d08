"""From key press to changed picture in the page, against interact: `make bench-browser`."""

import tempfile
from pathlib import Path

from tests.bench_sliders import row
from tests.browser.conftest import FLAGS
from tests.browser.lab import Notebook, jupyterlab
from tools.handout import chromium

from playwright.sync_api import sync_playwright

MOVES = 20

OURS = """
import numpy as np
from helpers import Mask, explore

def mask_of(shift=0):
    return Mask(np.tril(np.ones(({size}, {size})), shift - 3), axes=("query", "key"))

explore(mask_of, shift=(0, 100))
"""

INTERACT = """
import matplotlib.pyplot as plt
import numpy as np
from ipywidgets import interact
from matplotlib.colors import ListedColormap

def draw(shift=0):
    mask = np.tril(np.ones(({size}, {size}), bool), shift - 3)
    figure, ax = plt.subplots(figsize=(4, 3.5))
    ax.imshow(mask, cmap=ListedColormap(["#E5E5E5", "#08519C"]), vmin=0, vmax=1)
    for i in range({size}):
        for j in range({size}):
            ax.text(j, i, int(mask[i, j]), ha="center", va="center")
    ax.set_xticks(range({size}))
    ax.set_yticks(range({size}))
    plt.show()

interact(draw, shift=(0, 100))
"""

# From the key's event to the first frame in which another picture has been decoded.
WATCH = """(cell) => {
    const picture = () => cell.querySelector('.jp-OutputArea img')?.src;
    const before = picture();
    window.elapsed = null;
    document.addEventListener('keydown', () => {
        const start = performance.now();
        const look = async () => {
            const image = cell.querySelector('.jp-OutputArea img');
            if (image && image.src !== before) {
                await image.decode();
                requestAnimationFrame(() => { window.elapsed = performance.now() - start; });
            } else {
                requestAnimationFrame(look);
            }
        };
        look();
    }, {once: true, capture: true});
}"""


def measure(notebook: Notebook, source: str) -> list[float]:
    """Milliseconds of each of `MOVES` moves of the slider that `source` makes."""
    cell = notebook.cell(notebook.append_and_run(source))
    handle = cell.locator(".noUi-handle")
    cell.locator(".jp-OutputArea img").wait_for()
    times = []
    for move in range(MOVES + 2):
        notebook.page.wait_for_timeout(150)  # a reader's pause
        handle.focus()
        cell.evaluate(WATCH)
        notebook.page.keyboard.press("ArrowRight" if move % 2 == 0 else "ArrowLeft")
        notebook.page.wait_for_function("() => window.elapsed !== null", timeout=30_000)
        times.append(notebook.page.evaluate("() => window.elapsed"))
        notebook.wait_idle()
    return times[2:]  # the first moves fill caches


def main() -> None:
    with tempfile.TemporaryDirectory() as folder, jupyterlab(Path(folder)) as url:
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=chromium(), args=FLAGS)
            page = browser.new_page(viewport={"width": 1280, "height": 1000})
            notebook = Notebook(page, url.format("00_start_here.ipynb"))
            print(f"Key press to changed picture: median of {MOVES} (95th percentile), ms\n")
            print("cells     ours            interact + subplots   ours / interact")
            for size in (6, 16):
                times = {
                    "ours": measure(notebook, OURS.format(size=size)),
                    "interact": measure(notebook, INTERACT.format(size=size)),
                }
                print(row(size, times))
            notebook.close()
            browser.close()


if __name__ == "__main__":
    main()
