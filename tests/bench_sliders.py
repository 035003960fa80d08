"""How long a slider move keeps the kernel busy, against what most notebooks do: `make bench`.

Both run in one Jupyter kernel, in turns, so that they share the machine's moods: our Explorer,
and `interact` around `plt.subplots` with a `Text` in each cell. The kernel's time is from the new
value of the slider to the finished PNG. (At 32 × 32 a text no longer fits its cell: ours leaves
it out, the other one draws it all the same, as such notebooks do.)
"""

import json
import statistics
import subprocess
import sys
import time

from jupyter_client.manager import start_new_kernel

MOVES = 20

IN_KERNEL = f"""
import json, time
import numpy as np
from helpers import Mask, explore
import matplotlib.pyplot as plt
from ipywidgets import IntSlider, interact
from matplotlib.colors import ListedColormap

MOVES = {MOVES}

def mask_of(size, shift):
    return np.tril(np.ones((size, size), bool), shift - 3)

def ours(size):
    explorer = explore(
        lambda shift=0: Mask(mask_of(size, shift), axes=("query", "key")), shift=(0, 5)
    )
    return explorer.controls["shift"]

def theirs(size):
    slider = IntSlider(min=0, max=5)
    colours = ListedColormap(["#E5E5E5", "#08519C"])

    def draw(shift):
        mask = mask_of(size, shift)
        figure, ax = plt.subplots(figsize=(4, 3.5))
        ax.imshow(mask, cmap=colours, vmin=0, vmax=1)
        for i in range(size):
            for j in range(size):
                ax.text(j, i, int(mask[i, j]), ha="center", va="center")
        ax.set_xticks(range(size))
        ax.set_yticks(range(size))
        plt.show()

    interact(draw, shift=slider)
    return slider

def move(slider, value):
    start = time.perf_counter()
    slider.value = value
    return (time.perf_counter() - start) * 1e3

result = {{}}
for size in (6, 16, 32):
    sliders = {{"ours": ours(size), "interact": theirs(size)}}
    for slider in sliders.values():
        move(slider, 3)  # the first move fills caches
    times = {{name: [] for name in sliders}}
    for step in range(MOVES):
        for name, slider in sliders.items():
            times[name].append(move(slider, step % 3))
    result[size] = times
print("RESULT", json.dumps(result))
"""


def measure() -> dict[str, dict[str, list[float]]]:
    """Times of all moves in milliseconds, by size and by way of drawing."""
    manager, client = start_new_kernel()
    printed = []

    def collect(message):
        if message["msg_type"] == "stream":
            printed.append(message["content"]["text"])

    try:
        reply = client.execute_interactive(IN_KERNEL, timeout=600, output_hook=collect)
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)
    if reply["content"]["status"] != "ok":
        raise RuntimeError("\n".join(reply["content"]["traceback"]))
    return json.loads("".join(printed).split("RESULT", 1)[1])


def row(size: int, times: dict[str, list[float]]) -> str:
    """One line of the table: medians, 95th percentiles and the ratio of the medians."""
    median = {name: statistics.median(values) for name, values in times.items()}
    tail = {name: statistics.quantiles(values, n=20)[-1] for name, values in times.items()}
    return (
        f"{f'{size}×{size}':<8} {median['ours']:6.1f} ({tail['ours']:6.1f})"
        f" {median['interact']:10.1f} ({tail['interact']:7.1f})"
        f" {median['ours'] / median['interact']:12.3f}"
    )


def import_time() -> float:
    """Seconds to import `helpers` in a fresh interpreter, the median of five."""
    code = "import time; t = time.perf_counter(); import helpers; print(time.perf_counter() - t)"
    runs = [
        float(subprocess.run([sys.executable, "-c", code], capture_output=True, check=True).stdout)
        for _ in range(5)
    ]
    return statistics.median(runs)


def main() -> None:
    start = time.perf_counter()
    print(f"A slider move, kernel side: median of {MOVES} (95th percentile), milliseconds\n")
    print("cells     ours            interact + subplots   ours / interact")
    for size, times in measure().items():
        print(row(size, times))
    print(f"\nimport helpers, fresh interpreter: {import_time():.2f} s")
    print(f"(this took {time.perf_counter() - start:.0f} s)")


if __name__ == "__main__":
    main()
