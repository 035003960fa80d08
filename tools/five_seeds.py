"""Whether notebook 09 tells the same story with other seeds: `make seeds`.

Runs the notebook's own cells, trains each of its models, and the one on unsorted batches, with
the seeds 1 to 5, and writes how many dates each gets right into `docs/five_seeds.md`. About ten
minutes on two quiet cores.
"""

import datetime
import platform
from pathlib import Path
from typing import Any

from tests import notebooks

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs" / "five_seeds.md"
SEEDS = range(1, 6)
MODELS = {
    "all masks": {},
    "no padding mask": {"padding": False},
    "no look-ahead mask": {"look_ahead": False},
    "no padding mask, unsorted": {"padding": False},
}
COLUMNS = ("letters in training", "no padding", "one batch", "32 more pads")


def cells_of_notebook() -> dict[str, Any]:
    """Run the cells of notebook 09 that training and generating need, and return their names."""
    path = next(path for path in notebooks.PATHS if path.name.startswith("09"))
    notebook = notebooks.read(path)
    wanted = [
        i
        for i, cell in enumerate(notebook.cells)
        if cell.cell_type == "code"
        and any(f"def {name}(" in cell.source for name in ("trained", "alone"))
    ]
    names: dict[str, Any] = {}
    for i in notebooks.cells_for(notebook, wanted):
        exec(compile(notebook.cells[i].source, f"{path.name}, cell {i}", "exec"), names)
    return names


def measure(names: dict[str, Any], model: str, seed: int) -> list[float]:
    """Train one model; return its shares, in percent, in the order of `COLUMNS`."""
    import tensorflow as tf

    data = names["data"]
    if model.endswith("unsorted"):
        data = tf.data.Dataset.from_generator(
            lambda: names["batches"](sort=False), output_signature=names["signature"]
        )
    trained = names["trained"](seed=seed, data=data, **MODELS[model])
    read = tf.function(trained.read, reduce_retracing=True, autograph=False)
    ids, longer, right = names["unseen"], names["longer"], names["right"]
    shares = [trained.history.history["accuracy"][-1], names["alone"](read)]
    shares += [names["exact"](read, batch, right).mean() for batch in (ids, longer)]
    return [round(100 * float(share), 1) for share in shares]


def page(found: dict[str, list[list[float]]]) -> str:
    """What was measured, `found[model][seed]`, as the text of `docs/five_seeds.md`."""
    import keras
    import tensorflow as tf

    lines = [
        "# Notebook 09 with five other seeds",
        "",
        f"Measured on {datetime.date.today():%Y-%m-%d} by `make seeds`, with Keras "
        f"{keras.__version__} and TensorFlow {tf.__version__} on {platform.machine()}: the models "
        "of [notebook 09](../notebooks/09_a_model_that_learns.ipynb), made and trained by its own "
        "cells. A seed draws the weights; the batches are the same for all. *Letters in training* "
        "is the accuracy of the last epoch; the other columns say how many of 100 unseen dates "
        "were right from the first letter to the last, of 400 tried. The last model was trained "
        "on batches that are not sorted by length. Other processors give somewhat other numbers.",
        "",
        "| model | seed | " + " | ".join(COLUMNS) + " |",
        "|---|---|" + "---|" * len(COLUMNS),
    ]
    for model, rows in found.items():
        for seed, row in zip(SEEDS, rows):
            lines.append(f"| {model} | {seed} | " + " | ".join(f"{x:.1f}" for x in row) + " |")
    lines += ["", "From the lowest to the highest:", ""]
    lines += ["| model | " + " | ".join(COLUMNS) + " |", "|---|" + "---|" * len(COLUMNS)]
    for model, rows in found.items():
        ranges = (f"{min(column):.0f}–{max(column):.0f}" for column in zip(*rows))
        lines.append(f"| {model} | " + " | ".join(ranges) + " |")
    return "\n".join(lines) + "\n"


def main() -> None:
    names, found = cells_of_notebook(), {}
    for model in MODELS:
        found[model] = []
        for seed in SEEDS:
            found[model].append(measure(names, model, seed))
            print(model, seed, *found[model][-1], flush=True)
    PAGE.parent.mkdir(exist_ok=True)
    PAGE.write_text(page(found), encoding="utf-8")


if __name__ == "__main__":
    main()
