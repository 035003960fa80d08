"""Measure published models and tutorials, and write what was found: `make field-test`.

python -m tools.field_test             # everything, to docs/field_test.json and .md
python -m tools.field_test bert t5     # what has a word in its name, to the screen
"""

from __future__ import annotations

import json
import multiprocessing
import os
import sys
import time
import warnings
from concurrent.futures import ProcessPoolExecutor, as_completed
from datetime import date
from importlib.metadata import version
from pathlib import Path
from typing import Any

WORKERS = 2
DATA = Path(__file__).parents[2] / "docs" / "field_test.json"
PACKAGES = ("keras-hub", "keras", "tensorflow", "tensorflow-cpu", "transformers", "torch", "numpy")


def quiet() -> None:
    """Before any framework is imported: the CPU, no log lines, the same floats everywhere."""
    os.environ |= {
        "CUDA_VISIBLE_DEVICES": "-1",
        "TF_CPP_MIN_LOG_LEVEL": "3",
        "TF_ENABLE_ONEDNN_OPTS": "0",
        "HF_HUB_OFFLINE": "1",
        "KERAS_BACKEND": "tensorflow",
    }
    warnings.filterwarnings("ignore")


def tasks() -> list[tuple[str, int, str]]:
    """What there is to do: the module, which of its subjects, and the subject's name.

    The slow library and the quick one take turns, so that neither is left for the end.
    """
    from tools.field_test import keras_hub_models, transformers_models, tutorials

    modules = {
        "keras_hub_models": [s.name for s in keras_hub_models.subjects()],
        "transformers_models": [s.name for s in transformers_models.subjects()],
        "tutorials": [t.name for t in tutorials.TUTORIALS],
    }
    found = [
        ((i + 0.5) / len(names), module, i, name)
        for module, names in modules.items()
        for i, name in enumerate(names)
    ]
    return [task[1:] for task in sorted(found)]


def work(module: str, index: int) -> list[dict[str, Any]]:
    """One task, in a process of its own."""
    import importlib

    found = importlib.import_module(f"tools.field_test.{module}")
    if module == "tutorials":
        return [found.measured(found.TUTORIALS[index])]
    from tools.field_test.measure import rows_of

    return rows_of(found.subjects()[index])


def main(words: list[str]) -> int:
    quiet()
    chosen = [t for t in tasks() if not words or any(w.lower() in t[2].lower() for w in words)]
    begun, found = time.monotonic(), {}
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(WORKERS, mp_context=context, initializer=quiet) as pool:
        running = {pool.submit(work, module, i): (module, i, n) for module, i, n in chosen}
        for done, future in enumerate(as_completed(running), 1):
            module, i, name = running[future]
            found[module, i] = future.result()
            bar(done, len(running), name, begun)
    rows = [row for task in sorted(found) for row in found[task]]
    if words:
        print(json.dumps(rows, indent=1, ensure_ascii=False))
        return 0
    from tools.field_test.page import write

    data = gathered(rows)
    DATA.write_text(as_text(data), encoding="utf-8")
    write(data)
    minutes = (time.monotonic() - begun) / 60
    print(f"{len(chosen)} subjects in {minutes:.1f} minutes: {DATA.name} and its page written.")
    return 0


def gathered(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """What is stored: when and with what it was measured, and what was found."""
    return {
        "date": date.today().isoformat(),
        "versions": {name: v for name in PACKAGES if (v := installed(name))},
        "rows": [
            {key: value for key, value in row.items() if key != "seconds"}
            for row in rows
            if "tutorial" not in row
        ],
        "tutorials": [row for row in rows if "tutorial" in row],
    }


def as_text(data: dict[str, Any]) -> str:
    """The data as JSON, one row a line, so that a difference can be read."""
    head = {key: value for key, value in data.items() if not isinstance(value, list)}
    text = json.dumps(head, ensure_ascii=False)[:-1]
    for key, rows in data.items():
        if isinstance(rows, list):
            lines = ",\n".join(json.dumps(row, ensure_ascii=False) for row in rows)
            text += f',\n"{key}": [\n{lines}\n]'
    return text + "}\n"


def installed(package: str) -> str | None:
    try:
        return version(package)
    except ImportError:  # not on this platform
        return None


def bar(done: int, total: int, name: str, begun: float) -> None:
    """One line that is written over on a terminal, and a line for every tenth elsewhere."""
    left = (time.monotonic() - begun) / done * (total - done)
    filled = 30 * done // total
    line = f"[{'#' * filled}{'.' * (30 - filled)}] {done}/{total}, {left:4.0f} s left, {name}"
    if sys.stderr.isatty():
        print(f"\r{line:<100.100}", end="" if done < total else "\n", file=sys.stderr, flush=True)
    elif done % max(total // 10, 1) == 0 or done == total:
        print(line, file=sys.stderr, flush=True)
