"""Run notebooks in this environment, for the report: `python -m tools.claims.running`.

Not stopped by an error, each with its published solutions tried where their exercises stand.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from helpers import states
from tests import notebooks
from tests.refresh_notebooks import joined_streams, kernel_for

import nbformat

CELL_SECONDS = 600


def with_solutions(notebook: nbformat.NotebookNode, patch: str) -> nbformat.NotebookNode:
    """A copy that also tries each solution below its check, then puts the stub back.

    Every cell of it has `place`, the index of its cell in `notebook`, and `kind` in its metadata:
    `"own"`, `"set-up"`, `"solution"` or `"verdict"`.
    """
    made = nbformat.v4.new_notebook()

    def add(cell: nbformat.NotebookNode, kind: str, place: int) -> None:
        cell.metadata["claims"] = {"kind": kind, "place": place}
        made.cells.append(cell)

    def code(source: str) -> nbformat.NotebookNode:
        return nbformat.v4.new_code_cell(source)

    install = f"install(get_ipython(), {patch!r})"
    add(code(f"from tools.claims.kernel import install\n{install}\ndel install"), "set-up", -1)
    after = {e.check: e for e in notebooks.exercises(notebook)}
    for place, cell in enumerate(notebook.cells):
        if cell.cell_type != "code":
            continue
        add(code(cell.source), "own", place)
        if place in after:
            exercise = after[place]
            add(code(exercise.solution), "solution", place)
            add(code(cell.source), "verdict", place)
            add(code(notebook.cells[exercise.stub].source), "set-up", place)
    return made


def run(path: Path, patch: str = "") -> dict:
    """Run a notebook.

    Returns:
        `outputs`: from the place of each code cell that ran to its outputs; `solutions`: from the
        numbers of the exercises to the outputs of their checks; `problem`: what ended the run, or
        an empty text.
    """
    notebook = notebooks.read(path)
    made, problem = with_solutions(notebook, patch), ""
    client = kernel_for(made, path)
    client.timeout, client.allow_errors = CELL_SECONDS, True
    try:
        client.execute()
    except Exception as error:  # a dead kernel, a cell without end
        problem = f"{type(error).__name__}: {str(error).strip().splitlines()[-1]}"
    numbers = {e.check: e.number for e in notebooks.exercises(notebook)}
    outputs, solutions = {}, {}
    for cell in made.cells:
        if cell.execution_count is None:
            continue  # it did not run
        kind, place = cell.metadata["claims"]["kind"], cell.metadata["claims"]["place"]
        if kind == "set-up":
            errors = [o for o in cell.outputs if o.output_type == "error"]
            if errors and place == -1:  # nothing that ran then is a comparison
                why = f"{errors[0].ename}: {errors[0].evalue}"
                return {"outputs": {}, "solutions": {}, "problem": why}
        elif kind == "own":
            outputs[place] = joined_streams(cell.outputs)
        else:
            solutions.setdefault(numbers[place], []).extend(cell.outputs)
    return {"outputs": outputs, "solutions": solutions, "problem": problem}


def main(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("target", type=Path, help="the folder for what came out")
    parser.add_argument("notebooks", type=Path, nargs="+")
    parser.add_argument("--patch", default="")
    parser.add_argument("--jobs", type=int, default=1)
    options = parser.parse_args(arguments)
    os.environ[states.VARIABLE] = "1"
    options.target.mkdir(parents=True, exist_ok=True)

    def one(path: Path) -> None:
        text = json.dumps(run(path, options.patch), ensure_ascii=False)
        (options.target / f"{path.stem}.json").write_text(text, encoding="utf-8")
        print(path.stem, flush=True)

    with ThreadPoolExecutor(options.jobs) as pool:
        list(pool.map(one, options.notebooks))


if __name__ == "__main__":
    main(sys.argv[1:])
