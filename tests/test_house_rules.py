"""The house rules of the notebooks: what readers rely on, and what nbval needs to compare."""

import re
import statistics
from pathlib import Path

from helpers import states
from tests import notebooks
from tests.refresh_notebooks import METADATA, normalise

import pytest

TAGS = {"exercise", "raises-exception", "nbval-ignore-output"}
# Words that talk down to readers.
CONDESCENDING = re.compile(r"\b(simply|obviously|clearly|trivial(ly)?|just|easy|easily)\b", re.I)
# Other names for what the series calls otherwise.
NOT_OUR_WORDS = re.compile(
    r"\b(time[- ]steps?|triangular mask|causality mask|logits?|valid (token|step)s?)\b", re.I
)
LINK = re.compile(r"\]\((?!https?:)([^)#\s]+)(#[^)\s]*)?\)")


@pytest.fixture(scope="module", params=notebooks.PATHS, ids=lambda path: path.stem)
def path(request) -> Path:
    return request.param


@pytest.fixture(scope="module")
def notebook(path):
    return notebooks.read(path)


@pytest.fixture(scope="module")
def code(notebook):
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


@pytest.fixture(scope="module")
def prose(notebook):
    return "\n\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")


def test_opens_with_a_title_promises_and_a_time(path, notebook):
    first = notebook.cells[0].source
    number = path.name[:2]
    assert re.match(rf"# {number} · \S", first)
    for part in ("**The question:**", "**You will be able to**", "**Before this:**"):
        assert part in first
    promises = first.split("**You will be able to**")[1].split("**Before this")[0]
    assert promises.count("\n- ") == 3, "three promises"
    assert re.search(r"\*\*About \d+ minutes\.\*\*", first)


def test_the_minutes_are_honest(notebook):
    stated = int(re.search(r"\*\*About (\d+) minutes\.\*\*", notebook.cells[0].source).group(1))
    counted = notebooks.minutes(notebook)
    assert abs(stated - counted) <= max(3, 0.15 * counted), f"{counted:.0f} minutes are counted"
    assert stated <= 35


def test_the_minutes_are_those_of_the_tables(path, notebook):
    stated = re.search(r"\*\*About (\d+) minutes\.\*\*", notebook.cells[0].source).group(1)
    contents = notebooks.read(notebooks.PATHS[0]).cells
    texts = [(notebooks.FOLDER.parent / "README.md").read_text(encoding="utf-8")]
    texts.append("\n".join(cell.source for cell in contents))
    for text in texts:
        row = re.search(rf"^\|.*\b{path.name[:2]} [^|]*\|[^|]*\| (\d+) \|", text, re.M)
        assert row and row.group(1) == stated


def test_no_answer_stands_beside_its_question(notebook):
    answers = set()
    for _, answer in notebooks.predictions(notebook):
        assert notebooks.is_hidden(notebook.cells[answer]), f"cell {answer} answers a Predict"
        answers.add(answer)
        after = notebook.cells[answer + 1]
        if "What you see" in after.source.split("\n\n")[0]:
            assert after.source.startswith("<details><summary>What you see</summary>\n\n")
    for i, cell in enumerate(notebook.cells):
        assert i in answers or not notebooks.is_hidden(cell), f"cell {i}: nobody asked"


def test_explorers_have_questions_with_folded_answers(notebook, prose):
    for i, cell in enumerate(notebook.cells):
        if cell.cell_type == "code" and "explore(" in cell.source:
            assert notebook.cells[i + 1].source.startswith("<details><summary>Answers</summary>")
    assert re.search(r"need not (be )?read", prose), "that an Explorer's code may be skipped"


def test_code_fits_the_page(code):
    for cell in code:
        assert max(map(len, cell.source.splitlines()), default=0) <= 88, cell.source


def test_closes_with_the_promises_kept_questions_and_a_link(prose):
    end = prose[prose.index("## Key points") :]
    assert end.index("- You **") < end.index("### Five questions") < end.index("**Next:**")
    assert len(re.findall(r"^- You \*\*", end, re.M)) == 3
    questions, answers = end.split("<details><summary>Answers</summary>")[-2:]
    for part in (questions.split("### Five questions")[1], answers):
        assert re.findall(r"^(\d)\. ", part, re.M) == list("12345")


def test_cells_are_short_and_led_in(notebook, code):
    lengths = [len([line for line in c.source.splitlines() if line.strip()]) for c in code]
    assert max(lengths) <= 20
    assert statistics.median(lengths) <= 6
    led_in = [
        before.cell_type == "markdown"
        for before, cell in zip(notebook.cells, notebook.cells[1:])
        if cell.cell_type == "code"
        and not cell.source.startswith("check(")
        and not cell.source.startswith("plot_")
    ]
    assert sum(led_in) >= 0.9 * len(led_in), "nine code cells in ten follow prose"


def test_size(notebook, code, prose):
    assert 20 <= len(notebook.cells) <= 70
    words = len(re.sub(r"```.*?```", "", prose, flags=re.S).split())
    assert 40 <= words / len(code) <= 120, "words of prose for each code cell"


def test_words(prose):
    text = re.sub(r"```.*?```|`[^`]*`|\]\([^)]*\)", "", prose, flags=re.S)
    assert not CONDESCENDING.findall(text)
    assert not NOT_OUR_WORDS.findall(text)


def test_stored_outputs_are_those_of_one_run_from_top_to_bottom(code):
    assert [c.execution_count for c in code] == list(range(1, len(code) + 1)), "make refresh"
    shown = [output.output_type for cell in code for output in cell.outputs]
    assert "error" not in shown


def test_is_stored_in_normal_form(path, notebook):
    before = notebook.copy()
    assert notebook.metadata == METADATA, "make refresh"
    assert "widget-view" not in path.read_text(encoding="utf-8"), "make refresh"
    assert normalise(notebook) == before, "make refresh"


def test_no_path_of_a_machine(path):
    text = path.read_text(encoding="utf-8")
    assert not re.search(
        r"site-packages|ipykernel_\d|/home/|/root/|/tmp/|C:\\\\Users|\.py:\d+: \w*Warning", text
    )
    assert not re.search(r" at 0x[0-9a-f]+", text), "an address differs in each run"


def test_only_known_tags_and_every_exemption_has_a_reason(code):
    for cell in code:
        tags = set(cell.metadata.get("tags", []))
        assert tags <= TAGS
        if "nbval-ignore-output" in tags:
            assert cell.metadata.get("nbval-reason"), "say why nbval must not compare this cell"
        assert not re.search(r"^\s*#\s*(NBVAL|PYTEST)", cell.source, re.M), "use tags"


def test_nothing_of_the_machine_or_the_network_in_code(code):
    for cell in code:
        assert not re.search(r"^\s*[!%]", cell.source, re.M), "no shell, no magic"
        assert not re.search(r"sys\.path|https?://|get_file\(|urlopen|pyplot", cell.source)


def test_has_what_the_series_promises(code):
    source = "\n".join(cell.source for cell in code)
    assert "explore(" in source, "an Explorer"
    assert "predict_mask(" in source, "a prediction to click"
    assert "check(" in source, "an exercise"


def test_every_picture_has_a_text(code):
    for cell in code:
        for output in cell.outputs:
            data = output.get("data", {})
            if "image/png" in data:
                assert output.metadata["image/png"]["alt"].strip()
                assert data["text/plain"].strip()


def test_every_state_of_an_explorer_is_stored(code):
    for cell in code:
        if "explore(" in cell.source:
            (output,) = cell.outputs
            assert len(output.data[states.MIME]["states"]) > 1, "make refresh"


def test_links_lead_somewhere(path, prose):
    for target, _ in LINK.findall(prose):
        assert (path.parent / target).exists(), target


def test_exercises_are_numbered_and_have_a_hint(path, notebook, prose):
    numbers = [e.number for e in notebooks.exercises(notebook)]
    chapter = int(path.name[:2])
    assert numbers == [f"{chapter}.{i}" for i in range(1, len(numbers) + 1)]
    for number in numbers:
        assert f"### Exercise {number}" in prose
        assert f"<summary>Hint {number}</summary>" in prose
    for exercise in notebooks.exercises(notebook):
        assert "..." in notebook.cells[exercise.stub].source
        assert "not attempted" in str(notebook.cells[exercise.check].outputs)
