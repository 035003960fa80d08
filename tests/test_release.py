"""What is handed out: no solution for students, everything for the teacher, links that lead on."""

import re
import shutil
import tomllib
from pathlib import Path

from tests import notebooks
from tools import release

import pytest
import yaml

ROOT = Path(__file__).parent.parent
NAMES = [path.name for path in notebooks.PATHS]


@pytest.fixture(scope="module")
def out(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("release")
    release.release(folder)
    return folder


def prose_of(path: Path) -> str:
    return "\n\n".join(c.source for c in notebooks.read(path).cells if c.cell_type == "markdown")


@pytest.mark.parametrize("name", NAMES)
def test_students_get_hints_and_no_solution(out, name):
    original = notebooks.read(notebooks.FOLDER / name)
    students = notebooks.read(out / "students" / "notebooks" / name)
    text, given = ("\n".join(c.source for c in n.cells) for n in (students, original))
    for exercise in notebooks.exercises(original):
        given = given.replace(exercise.solution, "")  # a bug hunt's question quotes other lines
    for exercise in notebooks.exercises(original):
        assert exercise.solution not in text
        assert f"Hint {exercise.number}" in text and f"Solution {exercise.number}" not in text
        told = [line.strip() for line in exercise.solution.splitlines()]
        told = [line for line in told if line not in given]
        assert told and not [line for line in told if line in text]
    assert text.count("<details>") == text.count("</details>")


def test_no_edition_for_students_holds_a_solution(out):
    editions = sorted((out / "students" / "notebooks").rglob("*.ipynb"))
    assert {path.name for path in editions} == set(NAMES)
    for path in editions:
        text = prose_of(path)
        for exercise in notebooks.exercises(notebooks.read(notebooks.FOLDER / path.name)):
            assert exercise.solution not in text, f"{path.relative_to(out)}: {exercise.number}"
        assert text.count("<details>") == text.count("</details>")


@pytest.mark.parametrize("name", NAMES)
def test_all_else_stays(out, name):
    original = notebooks.read(notebooks.FOLDER / name)
    for copy in ("students", "teacher"):
        given = {c.id: c for c in notebooks.read(out / copy / "notebooks" / name).cells}
        for cell in original.cells:
            if cell.cell_type == "code":
                assert given[cell.id] == cell, "code, outputs and metadata"
            elif copy == "teacher":
                unlinked = re.sub(r"\]\([^)]*\)|\[", "", cell.source)
                assert re.sub(r"\]\([^)]*\)|\[", "", given[cell.id].source) == unlinked


def test_every_answer_to_a_prediction_is_collapsed_even_after_a_run(tmp_path):
    (tmp_path / "notebooks").mkdir()
    opened = notebooks.read(notebooks.FOLDER / NAMES[2])
    for cell in opened.cells:
        cell.metadata.pop("jupyter", None)
    release.nbformat.write(opened, tmp_path / "notebooks" / NAMES[2])
    for path in release.release(tmp_path / "out", tmp_path):
        notebook = notebooks.read(path)
        answers = [answer for _, answer in notebooks.predictions(notebook)]
        assert answers and all(notebooks.is_hidden(notebook.cells[i]) for i in answers)


def test_every_link_leads_somewhere(out):
    for path in (*out.rglob("*.ipynb"), *out.rglob("*.md")):
        text = prose_of(path) if path.suffix == ".ipynb" else path.read_text(encoding="utf-8")
        for target, _ in re.findall(r"\]\((?!https?:)([^)#\s]+)(#[^)\s]*)?\)", text):
            assert (path.parent / target).exists(), f"{path.relative_to(out)}: {target}"


def test_a_solution_in_another_language_is_found_by_its_place(tmp_path):
    name = NAMES[1]
    folder = tmp_path / "notebooks" / "xx"
    folder.mkdir(parents=True)
    shutil.copyfile(notebooks.FOLDER / name, folder.parent / name)
    copies = folder.parent / ".ipynb_checkpoints"  # JupyterLab's, not ours to hand out
    copies.mkdir()
    shutil.copyfile(notebooks.FOLDER / name, copies / name)
    other = notebooks.read(notebooks.FOLDER / name)
    for cell in other.cells:
        if cell.cell_type == "markdown":
            cell.source = cell.source.replace("<summary>Solution", "<summary>Lösung")
    release.nbformat.write(other, folder / name)
    release.release(tmp_path / "out", tmp_path)
    assert not list((tmp_path / "out").rglob(".ipynb_checkpoints"))
    text = prose_of(tmp_path / "out" / "students" / "notebooks" / "xx" / name)
    assert "Lösung" not in text and text.count("Hint") >= 3
    for cell in other.cells:
        if cell.cell_type == "markdown" and "Lösung" in cell.source:
            cell.source = "gone"
    release.nbformat.write(other, folder / name)
    with pytest.raises(ValueError, match="is not where it is in English"):
        release.release(tmp_path / "again", tmp_path)


def test_nothing_is_written_among_something_old(tmp_path, capsys):
    (tmp_path / "old.ipynb").write_text("", encoding="utf-8")
    assert release.main([str(tmp_path)]) == 1
    assert "is not empty" in capsys.readouterr().err


def test_the_citation_is_that_of_this_version():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    # What version 1.2.0 of the Citation File Format requires, and no unknown field.
    assert {"cff-version", "message", "title", "authors"} <= set(citation)
    assert citation["cff-version"] == "1.2.0"
    known = {"type", "abstract", "version", "license", "keywords", "repository-code", "url"}
    assert set(citation) <= known | {"cff-version", "message", "title", "authors", "date-released"}
    assert (citation["version"], citation["license"]) == (project["version"], project["license"])
    assert all(set(author) == {"name"} for author in citation["authors"])
