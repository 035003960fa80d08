"""The report, as Markdown and as HTML."""

from __future__ import annotations

import datetime
import html
import os
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from tests import notebooks
from tools.claims import prose
from tools.claims.compare import MOST, Change, Difference, compare
from tools.claims.environment import ROOT

import mistune
import nbformat

REPOSITORY = os.environ.get("MASKS_REPOSITORY", "").strip("/")
_OUTCOME = re.compile(r"Exercise \d+\.\d+: (correct|not yet|not attempted)")
_LINK = re.compile(r"(?<!!)\[((?:`[^`]*`|[^\[\]`])*)\]\([^)]*\)")
LONGEST = 400  # characters of one value
PAGE = """<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title>{title}</title>
<meta name="viewport" content="width=device-width">
<style>
:root {{ color-scheme: light dark }}
body {{ font: 16px/1.5 system-ui, sans-serif; max-width: 50rem; margin: 2rem auto }}
pre {{ white-space: pre-wrap; padding: .6rem; border: 1px solid }}
blockquote {{ margin-left: 0; padding-left: 1rem; border-left: 3px solid }}
</style></head><body>
{body}</body></html>
"""


@dataclass(frozen=True)
class Claim:
    """Something that the repository says and that another Keras makes untrue.

    Attributes:
        place: Index of the cell in its notebook.
        heading: The heading over it.
        title: What it is, where it is not the output of a cell.
        said: The sentences that a reader reads there.
        changes: The values, old and new.
    """

    place: int
    heading: str
    title: str
    said: tuple[str, ...]
    changes: tuple[Change, ...]


@dataclass
class Findings:
    """What was found in one notebook."""

    path: Path
    claims: list[Claim] = field(default_factory=list)
    again: list[prose.Sentence] = field(default_factory=list)
    warnings: list[tuple[str, str]] = field(default_factory=list)  # the message, the heading
    versions: list[tuple[Change, str]] = field(default_factory=list)
    fails: list[tuple[str, str]] = field(default_factory=list)  # the heading, the error
    unseen: list[tuple[str, str]] = field(default_factory=list)  # the heading, why

    @property
    def title(self) -> str:
        return notebooks.read(self.path).cells[0].source.splitlines()[0].removeprefix("# ")


def examine(path: Path, found: dict, verdicts: list[dict], versions: list[str]) -> Findings:
    """Compare a stored notebook with its other run.

    Args:
        path: The stored notebook.
        found: What `running.run` returned.
        verdicts: What `answers.verdicts` returned for its exercises.
        versions: Version numbers that may be printed.
    """
    notebook, result = notebooks.read(path), Findings(path)
    outputs = {int(place): cell for place, cell in found["outputs"].items()}
    told: set[str] = set()
    spoken: list[prose.Sentence] = []
    stated = prose.sentences(notebook)
    names_lost = 0
    for place, cell in enumerate(notebook.cells):
        if cell.cell_type != "code":
            continue
        over = prose.heading(notebook, place)
        if place not in outputs:
            continue
        if "nbval-ignore-output" in cell.metadata.get("tags", []):
            result.unseen.append((over, cell.metadata.get("nbval-reason", "")))
            continue
        difference = compare(cell.outputs, outputs[place], versions)
        result.warnings += [(message, over) for message in dict.fromkeys(difference.warnings)]
        result.versions += [(change, over) for change in difference.versions]
        if difference.error:
            if difference.error.startswith("NameError") and result.fails:
                names_lost += 1
            else:
                result.fails.append((over, difference.error))
            if not _shown(difference):
                continue
        if difference.changes:
            words = _terms(difference.changes)
            told |= words
            plain = {w for c in difference.changes for w in prose.changed_words(c.old, c.new)}
            spoken += prose.around(place, plain, stated)
            said = _said(notebook, place, words)
            result.claims.append(Claim(place, over, "", said, tuple(difference.changes)))
    if names_lost:
        result.fails.append(("", f"{names_lost} cells after that miss a name"))
    missing = [
        i for i, c in enumerate(notebook.cells) if c.cell_type == "code" and i not in outputs
    ]
    if found["problem"] or missing:
        why = found["problem"] or "they did not run"
        result.fails.append(("", f"{len(missing)} cells did not run: {why}"))
    result.claims += _verdicts(notebook, found["solutions"], verdicts)
    beside = {s for claim in result.claims for s in claim.said}
    spoken += prose.speaking_of(told, stated)
    result.again = [s for s in stated if s in spoken and s.text not in beside]
    return result


def _shown(difference: Difference) -> bool:
    """Whether a cell that ended in an error shows another value before it does."""
    return any(change.new for change in difference.changes)


def _terms(changes: Iterable[Change]) -> set[str]:
    return {t for c in changes for t in prose.changed_terms(c.what, c.old, c.new)}


def _said(notebook: nbformat.NotebookNode, place: int, words: set[str]) -> tuple[str, ...]:
    """The sentences beside a cell; of many, those that speak of what changed."""
    beside = prose.beside(notebook, place)
    if len(beside) > 6:
        beside = [s for s in beside if prose.terms_of(s) & words][:6] or beside[:3]
    return tuple(s.text for s in beside)


def _verdicts(
    notebook: nbformat.NotebookNode, solutions: dict, verdicts: list[dict]
) -> list[Claim]:
    """Solutions and right answers that are refused, wrong ones that are accepted or told else."""
    changed: dict[str, list[Change]] = {}
    for number, outputs in solutions.items():
        text = "\n".join(
            output.get("data", {}).get("text/plain", "") or output.get("evalue", "")
            for output in outputs
        ).strip()
        outcome = _OUTCOME.search(text)
        if outcome is None or outcome[1] != "correct":
            change = Change("the published solution", "correct", text or "no verdict")
            changed.setdefault(number, []).append(change)
    for v in verdicts:
        expected = "correct" if v["right"] else "not yet"
        if v["outcome"] == expected and v["said"]:
            continue
        kind = "right" if v["right"] else "wrong"
        old = expected if v["right"] else f"not yet, with the words: {v['pattern']}"
        new = f"{v['outcome']}: {v['message']}" if v["message"] else v["outcome"]
        change = Change(f"the {kind} answer “{v['name']}”", old, new)
        changed.setdefault(v["number"], []).append(change)
    claims = []
    for exercise in notebooks.exercises(notebook):
        if found := changed.get(exercise.number):
            over = prose.heading(notebook, exercise.stub)
            title = f"The check of exercise {exercise.number}"
            claims.append(Claim(exercise.stub, over, title, (), tuple(found)))
    return claims


def markdown(
    findings: list[Findings], old: dict[str, str], new: dict[str, str], where: Path, patch: str = ""
) -> str:
    """The report.

    Args:
        findings: What `examine` found, for each notebook.
        old: The versions that the notebooks are stored with.
        new: The versions of the other run.
        where: The path of the report, for its links.
        patch: The file that was run before each notebook, if there was one.
    """
    today = datetime.datetime.now(datetime.UTC).date().isoformat()
    other = ", ".join(f"{name} {version}" for name, version in new.items())
    text = [f"# Which claims Keras {new['Keras']} changes"]
    text.append(
        f"Stored with {', '.join(f'{name} {version}' for name, version in old.items())}; "
        f"run on {today} with {other}" + (f", after `{Path(patch).name}`" if patch else "") + ". "
        "Compared are every output, every state of the Explorers, every assertion, the published "
        "solutions, and the answers with which the checks are tested. Pictures are compared "
        "through the data and the texts that they are drawn from."
    )
    for f in findings:
        if f.claims:
            text.append(f"## {f.title}")
        for claim in f.claims:
            text += _claim(claim, f, where)
        if f.claims and f.again:
            lines = "\n".join(f"- {_whole(s)} ({_link(f, s.heading, where)})" for s in f.again)
            text.append(f"**Read again.** These sentences speak of what changed here:\n\n{lines}")
    text += _noise(findings, where)
    return "\n\n".join([*text, f"**{last_sentence(findings)}**"]) + "\n"


def last_sentence(findings: list[Findings]) -> str:
    """How many claims changed, and where."""
    counts = {f.path.name[:2]: len(f.claims) for f in findings if f.claims}
    if not counts:
        return "No claim changed."
    total = sum(counts.values())
    where = ", ".join(f"{name} ({count})" for name, count in counts.items())
    return f"{total} claim{'s' * (total > 1)} changed, in {where}."


def _claim(claim: Claim, findings: Findings, where: Path) -> list[str]:
    title = claim.title or f"Cell {claim.place}"
    text = [f"### {_link(findings, claim.heading, where)} · {title}"]
    if claim.said:
        text.append("\n".join(f"> {_quoted(said)}  " for said in claim.said))
    lines: list[str] = []
    alike: dict[tuple[str, str], list[str]] = {}  # of equal changes one
    for change in claim.changes:
        names = alike.setdefault((change.old, change.new), [])
        names += [" ".join(change.what.split())] if change.what else []
    for (old, new), names in list(alike.items())[:MOST]:
        more = f" and {len(names) - MOST} more" if len(names) > MOST else ""
        lines += [f"@@ {' · '.join(names[:MOST])}{more} @@"] if names else []
        lines += [f"-{line}" for line in _short(old)]
        lines += [f"+{line}" for line in _short(new)]
    fence = "`" * max([3, *(len(run) + 1 for run in re.findall(r"`+", "\n".join(lines)))])
    text.append("\n".join([f"{fence}diff", *lines, fence]))
    if len(alike) > MOST:
        text.append(f"… and {len(alike) - MOST} changes more.")
    return text


def _short(text: str) -> list[str]:
    if not text:
        return []
    short = text if len(text) <= LONGEST else text[:LONGEST] + " …"
    lines = short.splitlines()
    return lines if len(lines) <= 12 else [*lines[:12], "…"]


def _noise(findings: list[Findings], where: Path) -> list[str]:
    """What is no changed claim; of equal things one line."""
    sections: dict[str, dict[str, list[str]]] = {}
    words = {
        "A new warning": lambda f: [(_code(message), over) for message, over in f.warnings],
        "A version that is printed": lambda f: [
            (" → ".join(_code(text) for text in (change.old, change.new) if text), over)
            for change, over in f.versions
        ],
        "Fails to run": lambda f: [(_code(error), over) for over, error in f.fails],
        "Not compared": lambda f: [(why, over) for over, why in f.unseen],
    }
    for title, things in words.items():
        for f in findings:
            for thing, over in things(f):
                link = _link(f, over, where)
                sections.setdefault(title, {}).setdefault(thing, []).append(link)
    return [
        f"## {title}\n\n"
        + "\n".join(
            f"- {thing}: {_times(len(links))}{', '.join(dict.fromkeys(links))}"
            for thing, links in found.items()
        )
        for title, found in sections.items()
    ]


def _times(count: int) -> str:
    return f"{count} times, in " if count > 1 else ""


def _code(text: str) -> str:
    text = " ".join(text.split())[:LONGEST]
    ticks = "`" * (max([0, *map(len, re.findall("`+", text))]) + 1)
    pad = " " if "`" in text else ""
    return f"{ticks}{pad}{text}{pad}{ticks}"


def _quoted(text: str) -> str:
    """A sentence of a notebook without its links, which lead elsewhere from here."""
    text = _LINK.sub(r"\1", " ".join(text.split()))
    return re.sub(r"^(?:-|\d+\.) ", "", text).removeprefix("**What you see.** ")


def _whole(sentence: prose.Sentence) -> str:
    question = f"*{_quoted(sentence.question)}* " if sentence.question else ""
    return question + _quoted(sentence.text)


def _link(findings: Findings, over: str, where: Path) -> str:
    file = findings.path.resolve()
    if REPOSITORY and file.is_relative_to(ROOT):
        target = f"https://github.com/{REPOSITORY}/blob/HEAD/{file.relative_to(ROOT).as_posix()}"
    else:
        target = Path(os.path.relpath(file, where.resolve().parent)).as_posix()
    # As Jupyter and GitHub's notebooks have it; round brackets would end the link.
    anchor = re.sub(r"\s", "-", over.replace("`", "")).replace("(", "%28").replace(")", "%29")
    number, over = findings.path.name[:2], over.replace("[", "").replace("]", "")
    words = over if over.startswith(number) else f"{number} {over}".strip()
    return f"[{words}]({target}{'#' + anchor if over else ''})"


def as_html(text: str) -> str:
    """The report as one page that needs nothing else."""
    title = text.splitlines()[0].removeprefix("# ")
    body = mistune.create_markdown(escape=True, plugins=["table"])(text)
    return PAGE.format(title=html.escape(title), body=body)
