"""The report on another Keras, against a stand-in: no network, no other environment."""

import copy
import json
import re
import runpy
import sys
from pathlib import Path

from tests import notebooks
from tools import measured_pages
from tools.claims import __main__ as command
from tools.claims import environment, prose, report, running
from tools.claims.compare import Change, compare, lines
from tools.claims.environment import CannotReport

import nbformat
import pytest

STAND_IN = Path(__file__).with_name("stand_in.py")
VERSIONS = ["3.15.1", "3.99.0"]


def stream(text, name="stdout"):
    return {"output_type": "stream", "name": name, "text": text}


def shown(text, **more):
    return {"output_type": "execute_result", "data": {"text/plain": text, **more}}


# --- the whole way, once ---


def test_exactly_the_claims_that_rest_on_a_changed_layer_are_named(tmp_path, capfd, monkeypatch):
    target = tmp_path / "report.md"
    monkeypatch.setattr(environment, "versions", lambda _: {"Keras": "3.15.1", "TensorFlow": "2"})
    given = ["--patch", str(STAND_IN), "--notebooks", "03", "--report", str(target), "--jobs", "1"]
    command.main(given)
    text = target.read_text(encoding="utf-8")
    notebook = notebooks.read(notebooks.FOLDER / "03_masking_layer.ipynb")
    resting = [
        place
        for place, cell in enumerate(notebook.cells)
        if cell.cell_type == "code" and "GlobalAveragePooling1D" in cell.source
    ]
    assert resting, "notebook 03 no longer shows the layer that the stand-in changes"
    assert [int(place) for place in re.findall(r"· Cell (\d+)$", text, re.M)] == resting
    assert text.endswith(f"**{len(resting)} claim changed, in 03 ({len(resting)}).**\n")
    old = next(o.text for o in notebook.cells[resting[0]].outputs if "means" in o.get("text", ""))
    means = old.splitlines()[0]
    assert f"\n-{means}\n" in text and "nan" in means, "the old value"
    new = re.search(r"^\+means .*$", text, re.M)[0]
    assert "nan" not in new, "the new value, although a warning stands above it"
    said = [report._quoted(s.text) for s in prose.beside(notebook, resting[0])]
    assert said and all(f"> {sentence}" in text for sentence in said), "what a reader reads"
    assert text.count("The mask is ignored") == 1, "equal noise is one line"
    assert "## Fails to run" not in text
    assert "1 claim changed" in capfd.readouterr().out


def test_a_notebook_runs_on_past_what_fails(tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(environment.ROOT))  # as `make claims` has it
    cells = {
        "print": "print('Keras 3.15.1')",
        "assertion": "assert sum([1, 2]) == 3\nprint('below')",
        "error": "value = 1 / 1",
        "lost": "print(value)",
        "after": "print('the end')",
        "inside": "def f():\n    assert 0\n\ntry:\n    f()\nexcept AssertionError:\n    print(1)",
    }
    notebook = nbformat.v4.new_notebook()
    for source in cells.values():
        notebook.cells += [
            nbformat.v4.new_markdown_cell(f"## About {len(notebook.cells)}"),
            nbformat.v4.new_code_cell(source),
        ]
    texts = ["Keras 3.15.1\n", "below\n", "", "1.0\n", "the end\n", "1\n"]
    for cell, text in zip([c for c in notebook.cells if c.cell_type == "code"], texts):
        cell.outputs = [nbformat.from_dict(stream(text))] if text else []
    path = tmp_path / "03_small.ipynb"
    nbformat.write(notebook, path)
    # The kernel gets another notebook than the one that is stored.
    other = copy.deepcopy(notebook)
    other.cells[1].source = "print('Keras 3.99.0')"
    other.cells[3].source = other.cells[3].source.replace("[1, 2]", "[1, 1]")
    other.cells[5].source = "1 / 0"
    (tmp_path / "other").mkdir()
    changed = tmp_path / "other" / "03_small.ipynb"
    nbformat.write(other, changed)
    found = json.loads(json.dumps(running.run(changed)))
    patch = tmp_path / "patch.py"
    patch.write_text("raise RuntimeError('no such layer')", encoding="utf-8")
    broken = running.run(changed, str(patch))
    assert not broken["outputs"] and broken["problem"] == "RuntimeError: no such layer"
    findings = report.examine(path, found, [], VERSIONS)
    assert [claim.place for claim in findings.claims] == [3], "the assertion"
    change = findings.claims[0].changes[0]
    assert (change.old, "2" in change.new) == ("assert sum([1, 2]) == 3".replace("2]", "1]"), True)
    assert [c.new for c, _ in findings.versions] == ["Keras 3.99.0"]
    assert findings.fails == [
        ("About 4", "ZeroDivisionError: division by zero"),
        ("", "1 cells after that miss a name"),
    ]


# --- what differs ---


def test_a_warning_does_not_hide_a_value_and_a_name_counted_up_is_none():
    old = [stream("leak 0.0\nlstm_3 reads\n")]
    new = [
        stream(
            "/a/b/layer.py:12: UserWarning: Layer 'lstm_9' lost it.\n  warnings.warn(\n", "stderr"
        ),
        stream("leak 0.5\nlstm_4 reads\n"),
    ]
    found = compare(old, new, VERSIONS)
    assert found.changes == [Change("", "leak 0.0", "leak 0.5")]
    assert found.warnings == ["UserWarning: Layer '…' lost it."]
    again = compare(old, [*old, new[0]], VERSIONS)
    assert not again.changes and again.warnings == found.warnings
    assert not compare(new, new, VERSIONS).warnings, "it was there before"


@pytest.mark.parametrize(
    ("old", "new", "only_version"),
    [
        ("Keras 3.15.1", "Keras 3.99.0", True),
        ("Keras 3.15.1: sound", "Keras 3.99.0: leaks", False),
        ("", "This is not Keras 3.15", True),
        ("leak 3.15", "leak 3.99", False),
    ],
)
def test_a_printed_version_is_no_changed_claim(old, new, only_version):
    found = compare([stream(old)], [stream(new)], VERSIONS)
    assert bool(found.versions) is only_version and bool(found.changes) is not only_version


TABLE = """layer  | role      | warned
------ | --------- | ------
lstm_1 | consumes  | no
dense  | passes on | no
The mask arrives."""


def test_of_a_table_the_cells_are_compared():
    new = TABLE.replace("lstm_1", "lstm_7").replace("passes on | no", "drops | yes")
    assert lines(TABLE, new) == [
        Change("dense", "role: passes on, warned: no", "role: drops, warned: yes")
    ]
    assert lines(TABLE, TABLE.replace("arrives", "is lost")) == [
        Change("", "The mask arrives.", "The mask is lost.")
    ]
    gone = lines(TABLE, TABLE.replace("dense  | passes on | no\n", ""))
    assert gone == [Change("dense", "layer: dense, role: passes on, warned: no", "")]


def stored(number, mime):
    path = next(path for path in notebooks.PATHS if path.name.startswith(number))
    for cell in notebooks.read(path).cells:
        for output in cell.get("outputs", []):
            if mime in output.get("data", {}):
                return json.loads(json.dumps(output))
    raise AssertionError(f"{number} stores no {mime}")


def test_every_state_of_an_explorer_is_compared():
    mime = "application/vnd.masks-you-can-see.explorer+json"
    old = stored("04", mime)
    assert not compare([old], [old], VERSIONS).changes
    new = copy.deepcopy(old)
    data = new["data"][mime]
    data["sentences"].append("Another sentence.")
    data["states"][-1][1] = len(data["sentences"]) - 1
    label, last = data["controls"][0]["label"], data["controls"][0]["values"][-1]
    [change] = compare([old], [new], VERSIONS).changes
    assert change.what == f"[{label} = {last}]" and change.new == "Another sentence."
    new = copy.deepcopy(old)
    panel = new["data"][mime]["panels"][new["data"][mime]["pictures"][0][-1]]
    panel[2] = panel[2][2:] + panel[2][:2] if len(set(panel[2])) > 1 else "01" + panel[2][2:]
    assert all("another picture" in c.new for c in compare([old], [new], VERSIONS).changes)


def test_the_answer_to_a_prediction_is_compared():
    mime = "application/vnd.masks-you-can-see.prediction+json"
    old = stored("04", mime)
    new = copy.deepcopy(old)
    answer = new["data"][mime]["answer"]
    new["data"][mime]["answer"] = str(1 - int(answer[0])) + answer[1:]
    [change] = compare([old], [new], VERSIONS).changes
    assert change.old[0] == answer[0] and change.new[0] != answer[0]
    assert not compare([old], [old], VERSIONS).changes


# --- what the reader reads ---


def test_the_sentences_that_speak_of_a_change_are_found():
    notebook = nbformat.v4.new_notebook()
    below = "**What you see.** It is used.\n\n## Next\n\nNothing more. Keras says nothing.\n\n"
    questions = "## Five questions\n\n1. What is `NotEqual`?\n2. And `Add`?\n\n"
    questions += "<details><summary>Answers</summary>\n\n"
    notebook.cells = [
        nbformat.v4.new_markdown_cell("# 04 · All\n\n`NotEqual` is promised."),
        nbformat.v4.new_code_cell("print('x')"),
        nbformat.v4.new_markdown_cell(below + questions + "1. The mask.\n2. OR.\n\n</details>"),
    ]
    assert [s.text for s in prose.beside(notebook, 1)] == ["**What you see.** It is used."]
    stated = prose.sentences(notebook)
    terms = prose.changed_terms("", "['NotEqual', 'LSTM']", "['LSTM']")
    assert terms == {"NotEqual"}
    assert [s.text for s in prose.speaking_of(terms, stated)] == ["1. The mask."]
    words = prose.changed_words("Keras says nothing", "Keras warns")
    assert [s.text for s in prose.around(1, words, stated)] == [
        "Nothing more.",
        "Keras says nothing.",
    ]


def test_a_refused_solution_and_an_accepted_mistake_are_claims():
    path = next(path for path in notebooks.PATHS if path.name.startswith("04"))
    notebook = notebooks.read(path)
    outputs = {i: c.outputs for i, c in enumerate(notebook.cells) if c.cell_type == "code"}
    right = [shown("● Exercise 4.1: correct.")]
    solutions = {"4.1": right, "4.2": right, "4.3": [shown("◐ Exercise 4.3: not yet. It leaks.")]}
    found = {"outputs": outputs, "solutions": solutions, "problem": ""}
    common = {"pattern": "", "message": "", "said": True}
    verdicts = [
        {"number": "4.1", "name": "AND", "right": False, "outcome": "correct", **common},
        {"number": "4.1", "name": "OR", "right": True, "outcome": "correct", **common},
    ]
    result = report.examine(path, found, verdicts, VERSIONS)
    told = {claim.title: claim.changes for claim in result.claims}
    assert set(told) == {"The check of exercise 4.1", "The check of exercise 4.3"}
    assert "AND" in told["The check of exercise 4.1"][0].what
    assert "It leaks" in told["The check of exercise 4.3"][0].new
    assert report.last_sentence([result]) == "2 claims changed, in 04 (2)."


def test_the_report_is_one_page_and_text_is_data(tmp_path):
    path = next(path for path in notebooks.PATHS if path.name.startswith("04"))
    change = Change("", "``` <script>", "</pre><img src=x>")
    claim = report.Claim(
        5, "A heading (of two)", "", ("A *sentence* with <script>alert(1)</script>.",), (change,)
    )
    versions = {"Keras": "3.99.0"}
    text = report.markdown([report.Findings(path, [claim])], versions, versions, tmp_path / "r.md")
    target = re.search(r"\]\(([^)#]+)#A-heading-%28of-two%29\)", text)[1]
    assert (tmp_path / target).resolve() == path.resolve()
    html = report.as_html(text)
    assert "<script" not in html and "<img" not in html and "&lt;script&gt;" in html


# --- no report ---


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ([], "KERAS=keras-nightly"),
        (["--patch", "nowhere.py"], "no file nowhere.py"),
        (["--patch", str(STAND_IN), "--notebooks", "03 77"], "No notebook 77"),
    ],
)
def test_without_a_comparison_it_says_why(given, words):
    with pytest.raises(CannotReport, match=words):
        command.main(given)


def test_where_no_cell_ran_there_is_no_report(monkeypatch):
    nothing = {"outputs": {}, "solutions": {}, "problem": "RuntimeError: no such layer"}

    def run(_python, _module, target, path, *_more, **_options):
        Path(target).mkdir(parents=True, exist_ok=True)
        (Path(target) / f"{Path(path).stem}.json").write_text(json.dumps(nothing), "utf-8")

    monkeypatch.setattr(command, "_python", run)
    monkeypatch.setattr(environment, "versions", lambda _: {"Keras": "3", "TensorFlow": "2"})
    with pytest.raises(CannotReport, match="no such layer"):
        command.main(["--patch", str(STAND_IN), "--notebooks", "01"])


def test_the_command_ends_in_1_and_words(monkeypatch):
    monkeypatch.setattr(sys, "argv", ["tools.claims"])
    with pytest.raises(SystemExit, match=r"There is no report\. Name another Keras"):
        runpy.run_path(command.__file__, run_name="__main__")


def test_an_environment_has_one_keras(tmp_path, monkeypatch):
    ran = []

    def run(command, _complaint):
        (tmp_path / "e").mkdir(exist_ok=True)
        ran.append(" ".join(command[3:]))
        return "{}"

    monkeypatch.setattr(environment, "_run", run)
    environment.build(tmp_path / "e", keras="keras-nightly", tensorflow="tensorflow-cpu==9")
    places = [
        next(i for i, step in enumerate(ran) if words in step)
        for words in (
            "--require-hashes",
            "--pre tensorflow-cpu==9",
            "uninstall --yes keras keras-nightly",
            "--pre keras-nightly",
        )
    ]
    assert places == sorted(places), "TensorFlow would bring its own Keras back"


def test_what_cannot_be_installed_is_said():
    failing = [sys.executable, "-c", "import sys; sys.exit('No matching distribution')"]
    with pytest.raises(CannotReport, match="keras==9 cannot be installed:\nNo matching"):
        environment._run(failing, "keras==9 cannot be installed")


# --- the measured pages ---

PAGE = """<!-- measured: locked | other -->

```python
x = 2
```

```python
print(f"twice: {2 * x}")
```

| | old |
|---|---|
| twice | 5 |

The end.
"""


def test_code_that_one_keras_refuses_is_told_in_its_column():
    failing = PAGE.replace("2 * x}", "2 / 0}")
    found = measured_pages.run(failing)
    assert found[1][""] == "fails: ZeroDivisionError"
    page = measured_pages.filled(PAGE, {"A 1": measured_pages.run(PAGE), "B 2": found})
    assert "| twice | 4 | fails: ZeroDivisionError |" in page


def test_a_measured_page_says_what_its_code_prints():
    found = measured_pages.run(PAGE)
    assert found[1]["twice"] == "4"
    other = [{}, {"twice": "7", measured_pages.WARNS: "yes"}]
    page = measured_pages.filled(PAGE, {"A 1": found, "B 2": other})
    assert "| twice | 4 | 7 |\n| Keras warns | no | yes |\n" in page and "| 5 |" not in page
    assert page.endswith("\n\nThe end.\n")
    assert measured_pages.filled(page, {"A 1": found, "B 2": other}) == page


@pytest.mark.parametrize("path", measured_pages.pages(), ids=lambda path: path.stem)
def test_the_column_of_our_keras_is_still_true(path, tmp_path, monkeypatch):
    import keras

    monkeypatch.chdir(tmp_path)  # a page may save a model
    page = path.read_text(encoding="utf-8")
    found = measured_pages.run(page)
    stored = measured_pages.stored(page, f"Keras {keras.__version__}")
    assert len(stored) == len(found) and sum(map(len, stored)) > 5
    for told, values in zip(stored, found):
        assert {name: values.get(name, values.get("", "–")) for name in told} == told
