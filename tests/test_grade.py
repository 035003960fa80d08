"""Marks for a class: honest work, crashes, hangs and cheats. Three kernels serve all of it."""

import asyncio
import csv
import io
import json
import queue
from pathlib import Path

from helpers.grade import __main__ as grade
from helpers.grade import inside, kernels, series
from tests import notebooks

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

NAMES = {"1.1": "wanted_mask", "1.2": "share_of_padding", "1.3": "pad_readings"}
SOLUTIONS = {
    e.number: e.solution
    for e in notebooks.exercises(notebooks.read(notebooks.FOLDER / "01_padding.ipynb"))
}


def cells_of(**sources: str) -> list:
    """A short notebook with the exercises of 01; `s11` is the stub of 1.1, `c11` its check."""
    first = "import keras\nimport numpy as np\nfrom helpers import check"
    cells = [new_markdown_cell("# 01 · Padding", id="title"), new_code_cell(first, id="first")]
    for number, name in NAMES.items():
        key = number.replace(".", "")
        stub = sources.get(f"s{key}", f"def {name}(*arguments):\n    ...")
        check = sources.get(f"c{key}", f'check("{number}", {name})')
        cells += [new_code_cell(stub, id=f"s{key}"), new_code_cell(check, id=f"c{key}")]
    return cells


def write(path: Path, cells: list) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    nbformat.write(new_notebook(cells=cells), path)
    return path


@pytest.fixture(scope="module")
def originals(tmp_path_factory) -> list[series.Original]:
    folder = tmp_path_factory.mktemp("originals")
    write(folder / "01_padding.ipynb", cells_of())
    return series.originals(folder)


LIMITS = kernels.Limits()


def marked(path: Path, originals, limits=LIMITS) -> dict[str, kernels.Row]:
    rows = asyncio.run(kernels.mark(path, path.name, originals, limits))
    return {row.exercise: row for row in rows}


def test_work_is_marked_though_a_cell_fails_and_a_check_is_lost(tmp_path, originals):
    cells = cells_of(
        s11=SOLUTIONS["1.1"],
        s12=SOLUTIONS["1.2"].replace("share_of_padding", "mine"),
        s13="def pad_readings(series):\n    return series[",
        c12='check("1.2", mine)',
    )
    cells[4:6] = cells[5], cells[4]  # the check of 1.2 stands before the answer
    del cells[3]  # the check of 1.1
    cells.insert(2, new_code_cell("input('your name?')"))
    cells.append(new_code_cell("del keras"))
    rows = marked(write(tmp_path / "odd name.ipynb", cells), originals)
    assert (rows["1.1"].outcome, rows["1.1"].score) == ("correct", "1.0")
    assert rows["1.2"].outcome == "correct", rows["1.2"].message
    assert (rows["1.3"].outcome, rows["1.3"].score) == ("not run", "0.0")
    assert "`pad_readings` is not there" in rows["1.3"].message
    assert "Cell 7: SyntaxError: incomplete input (line 2)." in rows["1.3"].message


CHEAT = """
import helpers, helpers.exercises.engine as engine, helpers.exercises.notebook_01 as judges
helpers.check = engine.check = check = lambda *_: print("✓ Exercise 1.1: correct.")
engine.Verdict.__bool__ = lambda self: True
judges.JUDGES["1.1"] = lambda answer: "well done"
judges._wanted_mask.__code__ = (lambda function: "well done").__code__
judges.len = lambda rows: 0
np.allclose = lambda *_, **__: True
def wanted_mask(lengths, steps, padding):
    return [[True]]
"""


def test_a_submission_does_not_mark_itself(tmp_path, originals):
    cells = cells_of(
        s11=CHEAT,
        c11='print("✓ Exercise 1.1: correct.")',
        s12=SOLUTIONS["1.2"],
        c13='get_ipython().user_expressions = lambda *_: {"said": {"data": {"text/plain": "1"}}}',
    )
    rows = marked(write(tmp_path / "cheat.ipynb", cells), originals)
    assert (rows["1.1"].outcome, rows["1.1"].score) == ("look at it", "")
    assert "engine.check" in rows["1.1"].message
    assert "has shape (1, 1); expected" in rows["1.1"].message, "our check says what is wrong"
    assert (rows["1.2"].outcome, rows["1.2"].score) == ("look at it", "")
    assert "says correct, but cell 3 uses `__code__`" in rows["1.2"].message
    assert (rows["1.3"].outcome, rows["1.3"].score) == ("look at it", "")
    assert "the way to our check" in rows["1.3"].message


def test_what_hangs_is_stopped_and_the_end_of_the_kernel_is_told(tmp_path, originals):
    cells = cells_of(
        s11="def wanted_mask(lengths, steps, padding):\n    while True:\n        pass",
        s12=SOLUTIONS["1.2"],
        s13="import os\nos._exit(0)",
    )
    rows = marked(write(tmp_path / "slow.ipynb", cells), originals, kernels.Limits(cell=5))
    assert rows["1.1"].message == "The check did not end: cell 4 was stopped after 5 seconds."
    assert rows["1.2"].outcome == "correct"
    assert rows["1.3"].message == "Not reached: the kernel ended in cell 7."
    assert {rows[n].outcome for n in ("1.1", "1.3")} == {"not run"}


class Stuck:
    """A kernel that never answers."""

    interrupts = 0

    def execute(self, *_, **__):
        return "message"

    async def get_shell_msg(self, timeout):
        raise queue.Empty

    async def is_alive(self):
        return True

    async def interrupt_kernel(self):
        self.interrupts += 1


@pytest.mark.parametrize(
    ("limits", "memory", "message", "interrupts"),
    [
        (kernels.Limits(), 4.5, "cell 1 took more than 4 GB of memory", 0),
        (kernels.Limits(cell=0.01), 1.0, "cell 1 was stopped after 0.01 seconds", 1),
    ],
)
def test_a_kernel_that_takes_too_much_or_does_not_stop_is_ended(
    originals, monkeypatch, limits, memory, message, interrupts
):
    run = kernels._Run(series.Submission(originals[0], cells_of()), limits)
    run.client = run.manager = Stuck()
    monkeypatch.setattr(run, "memory", lambda: memory)
    monkeypatch.setattr(kernels, "_TO_STOP", 0.01)
    with pytest.raises(kernels.Gone, match=message):
        asyncio.run(run.run("while True: pass"))
    assert run.client.interrupts == interrupts


def test_what_was_replaced_is_found_and_put_back():
    import html
    import json.decoder as library

    from helpers.exercises import notebook_01, notebook_03, notebook_05, notebook_09

    snapshot = inside.Snapshot()
    assert snapshot.restore() == []
    escape, method = html.escape, library.JSONDecoder.decode
    html.escape = library.JSONDecoder.decode = lambda *_: 0
    html.len = lambda _: 0
    notebook_01.JUDGES["1.1"] = None
    notebook_03.GAP.append(0)
    notebook_05.IDS[0, 0] += 1
    notebook_09._NAMES.clear()
    replaced = snapshot.restore()
    assert {"html.escape", "html.len", "json.decoder.JSONDecoder.decode"} < set(replaced)
    assert html.escape is escape and library.JSONDecoder.decode is method
    assert not hasattr(html, "len") and notebook_01.JUDGES["1.1"] is not None
    assert len(notebook_03.GAP) == 2 and notebook_05.IDS[0, 0] == 83
    assert notebook_09._NAMES == {"padding", "look-ahead"}
    held = {"notebook_01.JUDGES", "notebook_03.GAP", "notebook_05.IDS", "notebook_09._NAMES"}
    assert {f"helpers.exercises.{name}" for name in held} < set(replaced)
    assert snapshot.restore() == []


def test_only_the_owner_of_the_key_signs():
    said = json.dumps({"outcome": "correct"})
    assert inside.opened(inside.signed(said, b"key"), b"key") == {"outcome": "correct"}
    assert inside.opened(inside.signed(said, b"another"), b"key") is None
    assert inside.opened(inside.signed(said, b"key").replace("correct", "wrong"), b"key") is None
    assert inside.opened("", b"key") is None


def test_every_exercise_of_the_series_is_known_by_its_cells():
    known = {o.name: o for o in series.originals()}
    for path in notebooks.PATHS:
        expected = [(e.number, e.check) for e in notebooks.exercises(notebooks.read(path))]
        cells = notebooks.read(path).cells
        found = [(e.number, e.check) for e in known[path.stem].exercises]
        assert found == [(number, cells[i].id) for number, i in expected]
        submitted = series.submission(path, list(known.values()))
        assert submitted.original is known[path.stem] and not submitted.takes_apart()
        assert [submitted.judged_after(e) for e in submitted.original.exercises] == [
            i for _, i in expected
        ]


def test_a_notebook_is_known_though_its_cells_have_lost_their_ids(tmp_path):
    cells = notebooks.read(notebooks.PATHS[3]).cells
    for i, cell in enumerate(cells):
        cell.id = f"new{i}"
    submitted = series.submission(write(tmp_path / "x.ipynb", cells), series.originals())
    assert submitted.original.name == notebooks.PATHS[3].stem
    places = [submitted.judged_after(e) for e in submitted.original.exercises]
    assert all(f'check("3.{i}"' in cells[p].source for i, p in enumerate(places, start=1))


@pytest.mark.parametrize(
    ("text", "message"),
    [("hello", "is no notebook"), ("{}", "no notebook"), ("", "is no notebook")],
)
def test_what_is_no_notebook_of_ours_gets_a_row_that_says_so(tmp_path, originals, text, message):
    path = tmp_path / "x.ipynb"
    path.write_text(text, encoding="utf-8")
    (row,) = marked(path, originals).values()
    assert (row.exercise, row.outcome) == ("", "not run") and message in row.message
    (row,) = marked(write(path, [new_code_cell("1 + 1")]), originals).values()
    assert "shares no cells" in row.message


def run_main(monkeypatch, capsys, mark, *arguments) -> tuple[int, list[list[str]], str]:
    monkeypatch.setattr(grade, "mark", mark)
    for stream in ("stdout", "stderr"):
        monkeypatch.setattr(f"sys.{stream}.reconfigure", lambda **_: None, raising=False)
    status = grade.main(list(map(str, arguments)))
    said = capsys.readouterr()
    return status, list(csv.reader(io.StringIO(said.out))), said.err


async def formula(path, name, series, limits):
    if "b.ipynb" in name:
        raise RuntimeError("a fault of ours")
    return [kernels.Row(name, "1.1", "not yet", "0.0", "=1+1")]


def test_the_marks_of_a_folder_in_order(tmp_path, monkeypatch, capsys):
    for name in ("lee/a.ipynb", "kim/a.ipynb", "kim/b.ipynb", "kim/.ipynb_checkpoints/a.ipynb"):
        write(tmp_path / name, [])
    status, rows, said = run_main(monkeypatch, capsys, formula, tmp_path)
    assert status == 0 and rows[0] == ["file", "exercise", "outcome", "score", "message"]
    assert [row[0] for row in rows[1:]] == ["kim/a.ipynb", "kim/b.ipynb", "lee/a.ipynb"]
    assert rows[1][4] == "'=1+1", "no formula for a spreadsheet"
    assert "a fault of ours" in rows[2][4]
    assert "3/3" in said


def test_marking_stops_when_the_checks_change_on_the_disk(tmp_path, monkeypatch, capsys):
    write(tmp_path / "a.ipynb", [])
    prints = iter("ab")
    monkeypatch.setattr(grade, "_fingerprint", lambda: next(prints))
    status, rows, said = run_main(monkeypatch, capsys, formula, tmp_path)
    assert status == 1 and len(rows) == 1 and "a.ipynb among them" in said


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nowhere"], "There is no nowhere"),
        (["."], "There is no notebook in"),
        ([".", "--jobs", "0"], "greater than 0"),
        ([__file__, "--originals", "."], "are not in"),
    ],
)
def test_a_wrong_call_is_told_in_words(arguments, message, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as error:
        grade.main(arguments)
    assert error.value.code == 2 and message in capsys.readouterr().err


def test_the_help_says_what_it_does_not_guard_against(capsys):
    with pytest.raises(SystemExit):
        grade.main(["--help"])
    said = " ".join(capsys.readouterr().out.split())
    for part in ("runs other people's code", "not against malice", "can still forge"):
        assert part in said
