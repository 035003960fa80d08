"""What a reader reads beside a cell, and which other sentences speak of the same."""

from __future__ import annotations

import re
from dataclasses import dataclass

import nbformat

_HEADING = re.compile(r"^#{1,4} (.+)$", re.M)
_BLOCKS = re.compile(r"\n\s*\n")
_FENCE = re.compile(r"^```.*?^```\n?", re.M | re.S)
_SENTENCE = re.compile(r"(?<=[.!?:])\s+(?=[A-Z*`(])")
# Words by which a sentence can be known again: names of classes, numbers with a point. A name that
# looks like the first word of a sentence (`Masking`) counts in code only.
_NAME = re.compile(r"\b(?:[A-Z][a-z]+(?:[A-Z]\w*)+|[A-Z]{3,}\w*|\d+\.\d+)\b")
_TERM = re.compile(rf"{_NAME.pattern}|\b[A-Z][a-z]{{2,}}\b")
_CODE = re.compile(r"`([^`\n]+)`")
_WORD = re.compile(r"[a-z]{4,}")
_EVERYWHERE = {"Keras", "True", "False", "None", "Embedding", "Model", "Input", "Layer"}
TOO_MANY = 8  # a term in more sentences of a notebook tells nothing about one


@dataclass(frozen=True)
class Sentence:
    """A sentence, a row of a table or a point of a list.

    Attributes:
        place: Index of its cell.
        heading: The heading over it, without `#`.
        text: As it stands there.
        near: Whether it is *What you see* of the cell before it, or an answer to an Explorer.
        question: What it answers, where it is an answer.
    """

    place: int
    heading: str
    text: str
    near: bool = False
    question: str = ""


def heading(notebook: nbformat.NotebookNode, place: int) -> str:
    """The last heading before a cell, as it stands there without `#`."""
    found = ""
    for cell in notebook.cells[:place]:
        if cell.cell_type == "markdown":
            found = (_HEADING.findall(_FENCE.sub("", cell.source)) or [found])[-1]
    return found


def sentences(notebook: nbformat.NotebookNode) -> list[Sentence]:
    """What a notebook states, sentence by sentence.

    Without the first cell, headings, code, hints, solutions and questions. An answer knows its
    question.
    """
    found: list[Sentence] = []
    over, questions = "", []
    for place, cell in enumerate(notebook.cells):
        if cell.cell_type != "markdown" or place == 0:
            continue
        text = re.sub(
            r"<details>\s*<summary>(?:Hint|Solution).*?</details>", "", cell.source, flags=re.S
        )
        near = False
        for block in _BLOCKS.split(_FENCE.sub("", text)):
            if match := _HEADING.match(block):
                over, near = match[1], False
                continue
            if re.search(r"\*\*What you see\.?\*\*|<summary>(What you see|Answer)", block):
                near = not over.startswith(("Five questions", "Key points"))
            elif "</details>" in block or re.match(r">|\*\*|## ", block):
                near = False  # the next beat
            if block.startswith(">"):  # a prediction asks
                continue
            block = re.sub(r"</?details>|<summary>.*?</summary>", "", block).strip()
            parts = _parts(block)
            asked = [part.rstrip().endswith("?") for part in parts]
            if len(parts) > 1 and sum(asked) * 2 > len(parts):
                questions = parts
                continue
            answers = len(parts) == len(questions) and bool(re.match(r"1\. ", block))
            for i, part in enumerate(parts):
                if not part.endswith("?") and "←" not in part:
                    question = questions[i] if answers else ""
                    found.append(Sentence(place, over, part, near, question))
            questions = [] if answers else questions
    return found


def _parts(block: str) -> list[str]:
    """The sentences of a paragraph; the rows of a table, the points of a list."""
    if not block:
        return []
    if block.startswith("|"):
        return [row for row in block.splitlines()[2:] if row.strip()]
    if re.match(r"(?:-|\d+\.) ", block):
        return re.split(r"\n(?=(?:-|\d+\.) )", block)
    return _SENTENCE.split(" ".join(block.split()))


def beside(notebook: nbformat.NotebookNode, place: int) -> list[Sentence]:
    """What a reader reads about a code cell: *What you see* below it, or what leads to it."""
    after = [
        i for i in range(place + 1, len(notebook.cells)) if notebook.cells[i].cell_type != "code"
    ]
    everything = sentences(notebook)
    below = [s for s in everything if s.place == after[0] and s.near] if after else []
    if below:
        return below
    before = [s for s in everything if s.place < place]
    return [s for s in before if s.place == before[-1].place and s.heading == before[-1].heading]


def terms(value: str) -> set[str]:
    """The names and numbers in a value."""
    return set(_TERM.findall(value)) - _EVERYWHERE


def terms_of(sentence: Sentence) -> set[str]:
    """The names and numbers in a sentence and in what it answers."""
    text = f"{sentence.text} {sentence.question}"
    return terms(" ".join(_CODE.findall(text))) | set(_NAME.findall(text)) - _EVERYWHERE


def changed_terms(what: str, old: str, new: str) -> set[str]:
    """The terms that one value has and the other has not, and those that say which value it is."""
    return (terms(old) ^ terms(new)) | terms(what) | _row_name(old)


def changed_words(old: str, new: str) -> set[str]:
    """The beginnings of the plain words that one value has and the other has not."""
    stems = [{word[:4] for word in _WORD.findall(text.lower())} for text in (old, new)]
    return stems[0] ^ stems[1]


def _row_name(line: str) -> set[str]:
    """The name that a printed line of columns begins with: `GRU   consumes, passes on`."""
    first, _, rest = line.partition("  ")
    return terms(first) if rest and "\n" not in line else set()


def speaking_of(some: set[str], candidates: list[Sentence]) -> list[Sentence]:
    """The sentences that have one of the terms, but for terms that many of them have."""
    having = {term: [s for s in candidates if term in terms_of(s)] for term in some}
    chosen = {s for found in having.values() if len(found) <= TOO_MANY for s in found}
    return [s for s in candidates if s in chosen]


def around(place: int, words: set[str], candidates: list[Sentence]) -> list[Sentence]:
    """The sentences in the cells around a code cell that have one of the words."""
    return [
        s
        for s in candidates
        if abs(s.place - place) == 1
        and words & {word[:4] for word in _WORD.findall(s.text.lower())}
    ]
