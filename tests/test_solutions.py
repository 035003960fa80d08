"""Every notebook once more, with the published solutions in place of the stubs.

The cells run in this process, one namespace for each notebook: TensorFlow is imported once
for all of them instead of once for each. What neither an exercise nor an Explorer needs is left
out: the strict run of everything, in kernels, is nbval's.
"""

import ast
from pathlib import Path

from helpers import states
from helpers.states import values_of
from tests import notebooks

import pytest

# The Explorers of these need training or every layer examined, and once, in nbval's run, is enough:
# all their states are compared there, too.
LONG = {"09", "10"}


def run_cell(source: str, namespace: dict, name: str):
    """Run a cell as IPython does, and return the value of its last expression."""
    tree = ast.parse(source, name)
    last = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
    exec(compile(tree, name, "exec"), namespace)
    return eval(compile(ast.Expression(last.value), name, "eval"), namespace) if last else None


def sweep(explorer) -> int:
    """Put every control of an Explorer through all of its values; returns how many moves."""
    moves = 0
    for control in explorer.controls.values():
        first = control.value
        for value in values_of(control).values():
            control.value = value
            assert explorer.problem == "", f"{control.description} = {value}: {explorer.problem}"
            assert explorer.sentence and explorer.picture.value
            moves += 1
        control.value = first
    return moves


@pytest.mark.parametrize("path", notebooks.PATHS, ids=lambda path: path.stem)
def test_published_solutions_are_correct(path: Path, monkeypatch):
    monkeypatch.chdir(path.parent)
    monkeypatch.delenv(states.VARIABLE)  # nbval compares the states
    notebook = notebooks.read(path)
    exercises = notebooks.exercises(notebook)
    assert exercises, f"{path.name} has no exercise"
    for exercise in exercises:
        notebook.cells[exercise.stub].source = exercise.solution
    wanted = [i for exercise in exercises for i in (exercise.stub, exercise.check)]
    if path.name[:2] not in LONG:
        cells = enumerate(notebook.cells)
        wanted += [i for i, c in cells if c.cell_type == "code" and "explore(" in c.source]
    code = notebooks.cells_for(notebook, wanted)
    namespace = {"__name__": "__main__", "display": lambda *_: None}
    values = {}
    for i in code:
        values[i] = run_cell(notebook.cells[i].source, namespace, f"{path.name}, cell {i}")
        getattr(values[i], "_repr_mimebundle_", lambda: None)()
    explorers = [value for value in values.values() if hasattr(value, "controls")]
    assert explorers or path.name[:2] in LONG
    assert all(sweep(explorer) > 1 for explorer in explorers)
    for exercise in exercises:
        verdict = values[exercise.check]
        assert verdict.outcome == "correct", str(verdict)
