"""TEACHING.md keeps to the notebooks: its plans add up, and it quotes what `check` really says."""

import ast
import re
from pathlib import Path

from tests import notebooks

import pytest

ROOT = Path(__file__).parent.parent
TEXT = (ROOT / "TEACHING.md").read_text(encoding="utf-8")
SECTIONS = {part[:2]: part for part in TEXT.split("\n## ") if re.match(r"\d\d · ", part)}


def messages(chapter: str) -> str:
    """All texts in the judges of a notebook, and in what they share."""
    found = []
    for name in (f"notebook_{chapter}", "engine"):
        tree = ast.parse((ROOT / f"helpers/exercises/{name}.py").read_text(encoding="utf-8"))
        found += [n.value for n in ast.walk(tree) if isinstance(n, ast.Constant)]
    return "\n".join(text for text in found if isinstance(text, str))


@pytest.mark.parametrize("path", notebooks.PATHS, ids=lambda path: path.stem)
def test_each_notebook_has_a_plan_that_adds_up(path):
    section = SECTIONS[path.name[:2]]
    title = notebooks.read(path).cells[0].source.splitlines()[0].removeprefix("# ")
    assert section.startswith(title)
    rows = [(int(a), int(b)) for a, b in re.findall(r"^\| (\d+) \| (\d+) \| [^|]", section, re.M)]
    short, long = (sum(row[i] for row in rows) for i in (0, 1))
    assert (short, long) == (45, 90)
    for part in ("**For** ", "**Ask**", "*They answer* ", "**They get stuck** "):
        assert part in section


@pytest.mark.parametrize("chapter", SECTIONS)
def test_the_wrong_answers_are_quoted_as_check_says_them(chapter):
    known = messages(chapter)
    quotes = re.findall(r"“([^”]+)”", SECTIONS[chapter])
    assert quotes or chapter == "00"
    assert not [quote for quote in quotes if quote not in known]


@pytest.mark.parametrize("chapter", SECTIONS)
def test_it_names_exercises_that_there_are(chapter):
    (path,) = (path for path in notebooks.PATHS if path.name.startswith(chapter))
    numbers = {e.number for e in notebooks.exercises(notebooks.read(path))}
    named = set(re.findall(rf"(?<![\d.]){int(chapter)}\.\d(?!\d)", SECTIONS[chapter]))
    assert named and named <= numbers


def test_links_lead_somewhere():
    for target in re.findall(r"\]\((?!https?:|#)([^)#]+)", TEXT):
        assert (ROOT / target).exists(), target
    headings = {h.lower().replace(" ", "-") for h in re.findall(r"^## (.+)$", TEXT, re.M)}
    assert set(re.findall(r"\]\(#([^)]+)\)", TEXT)) <= headings
