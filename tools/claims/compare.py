"""What differs between the stored outputs of a cell and those of another run."""

from __future__ import annotations

import difflib
import itertools
import json
import re
from dataclasses import dataclass, field
from typing import Any

from helpers.states import MIME as EXPLORER
from helpers.states import PREDICTION_MIME
from tools.claims.kernel import MIME as ASSERTION

# Names that Keras counts up (`lstm_15`): one layer more, earlier, is no other claim.
_COUNTED = re.compile(r"\b([a-z]+(?:_[a-z]+)*?)_\d+\b")
_WARNING = re.compile(r"^\S*?:\d+: (\w*Warning: .*)$")
MOST = 12  # changes of one cell that are shown


@dataclass(frozen=True)
class Change:
    """One value that changed: a line, a cell of a table, a state of an Explorer, an assertion.

    Attributes:
        what: Which value, where there are several: the row and column, the state.
        old: The stored value; empty where there was none.
        new: The value in the other run; empty where there is none.
    """

    what: str
    old: str
    new: str


@dataclass
class Difference:
    """What changed in one cell.

    Attributes:
        changes: The values that changed.
        versions: The same, where nothing but a version that was printed changed.
        warnings: New lines on stderr, in a form in which equal ones are equal.
        error: The error that ended the cell, if it used to end without.
    """

    changes: list[Change] = field(default_factory=list)
    versions: list[Change] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    error: str = ""


def compare(stored: list[dict], found: list[dict], versions: list[str]) -> Difference:
    """Compare the outputs of a cell.

    Args:
        stored: The outputs in the repository.
        found: The outputs in the other run.
        versions: Version numbers, old and new, that may be printed.
    """
    result = Difference()
    old, new = _channels(stored), _channels(found)
    result.warnings = [w for w in new.pop("stderr") if w not in old["stderr"]]
    if new["error"] and not old["error"]:
        result.error = new["error"]
    changes = lines(old["text"], new["text"])
    changes += explorer(old[EXPLORER], new[EXPLORER])
    changes += prediction(old[PREDICTION_MIME], new[PREDICTION_MIME])
    if old["error"] and old["error"] != new["error"]:
        changes.append(Change("the error", old["error"], new["error"]))
    for change in changes:
        only = _is_version(change, versions)
        (result.versions if only else result.changes).append(change)
    for failed in new[ASSERTION]:
        values = "; ".join(f"{name} is {value}" for name, value in failed["values"].items())
        result.changes.append(Change("", failed["source"], f"does not hold: {values}"))
    return result


def _channels(outputs: list[dict]) -> dict[str, Any]:
    """The outputs of a cell by what they are; pictures are seen through their data and texts."""
    found: dict[str, Any] = {"text": "", "stderr": [], "error": "", ASSERTION: []}
    found |= {EXPLORER: None, PREDICTION_MIME: None}
    for output in outputs:
        data = output.get("data", {})
        if output["output_type"] == "error":
            found["error"] = f"{output['ename']}: {output['evalue']}"
        elif output.get("name") == "stderr":
            found["stderr"] += warnings(output["text"])
        elif output["output_type"] == "stream":
            found["text"] += output["text"]
        elif ASSERTION in data:
            found[ASSERTION].append(data[ASSERTION])
        else:
            found[EXPLORER] = data.get(EXPLORER, found[EXPLORER])
            found[PREDICTION_MIME] = data.get(PREDICTION_MIME, found[PREDICTION_MIME])
            if EXPLORER not in data:  # whose text is that of one of its states
                text = found["text"]
                found["text"] = text + "\n" * bool(text) + data.get("text/plain", "")
    return found


def warnings(text: str) -> list[str]:
    """The messages in a text of stderr, without paths, line numbers and names of layers."""
    found = []
    for line in text.splitlines():
        match = _WARNING.match(line)
        if match:
            found.append(match[1])
        elif line.strip() and not line.startswith("  "):  # the source of a warning is indented
            found.append(line.strip())
    return [re.sub(r"Layer '[^']*'", "Layer '…'", _uncounted(line)) for line in found]


def _uncounted(text: str) -> str:
    return _COUNTED.sub(r"\1", text)


def _is_version(change: Change, versions: list[str]) -> bool:
    """Whether only a version changed, or a line is new that says for which version the rest is."""
    old, new = change.old, change.new
    if not old:
        return any(version.rpartition(".")[0] in new for version in versions)
    for version in sorted(versions, key=len, reverse=True):
        old, new = old.replace(version, "…"), new.replace(version, "…")
    return old == new


def lines(old: str, new: str) -> list[Change]:
    """The lines that differ; of tables, the cells."""
    tables = [_table(text) for text in (old, new)]
    if all(tables):
        return _cells(*tables) + lines(_outside(old), _outside(new))
    a, b = old.splitlines(), new.splitlines()
    plain = [[_uncounted(line.rstrip()) for line in text] for text in (a, b)]
    found = []
    matcher = difflib.SequenceMatcher(None, *plain, autojunk=False)
    for kind, i, k, j, m in matcher.get_opcodes():
        if kind == "equal":
            continue
        if kind == "replace" and k - i == m - j:
            found += [Change("", x, y) for x, y in zip(a[i:k], b[j:m])]
        else:
            found.append(Change("", "\n".join(a[i:k]), "\n".join(b[j:m])))
    return found


def _rule(line: str) -> bool:
    return bool(re.fullmatch(r"-+( \| -+)+", line.strip()))


def _table(text: str) -> dict[tuple[str, int], dict[str, str]] | None:
    """The rows of a table by their first cell, which may occur again, and their columns."""
    rows = text.splitlines()
    rules = [i for i, line in enumerate(rows) if _rule(line)]
    if len(rules) != 1 or rules[0] == 0:
        return None
    columns = _split(rows[rules[0] - 1])
    table: dict[tuple[str, int], dict[str, str]] = {}
    for row in rows[rules[0] + 1 :]:
        cells = _split(row)
        if len(cells) != len(columns):
            break
        name = _uncounted(cells[0])
        count = sum(key[0] == name for key in table)
        table[name, count] = dict(zip(columns, cells))
    return table


def _split(row: str) -> list[str]:
    return [cell.strip() for cell in row.split(" | ")]


def _outside(text: str) -> str:
    """What stands around the table of a text."""
    rows = text.splitlines()
    rule = next(i for i, line in enumerate(rows) if _rule(line))
    width = len(_split(rows[rule - 1]))
    end = rule + 1
    while end < len(rows) and len(_split(rows[end])) == width:
        end += 1
    return "\n".join(rows[: rule - 1] + rows[end:])


def _cells(old: dict, new: dict) -> list[Change]:
    found = []
    for key in [*old, *(key for key in new if key not in old)]:
        name, a, b = key[0], old.get(key), new.get(key)
        if a is None or b is None:
            found.append(Change(name, _row(a), _row(b)))
            continue
        differ = [c for c in {**a, **b} if _uncounted(a.get(c, "")) != _uncounted(b.get(c, ""))]
        if differ:
            told = [", ".join(f"{c}: {row.get(c, '')}" for c in differ) for row in (a, b)]
            found.append(Change(name, *told))
    return found


def _row(row: dict[str, str] | None) -> str:
    return "" if row is None else ", ".join(f"{k}: {v}" for k, v in row.items() if v != "–")


def _states(data: dict | None) -> dict[str, tuple[str, list]]:
    """Every state of an Explorer, by what its controls say: its sentence and its pictures."""
    if data is None:
        return {}
    labels = [[f"{c['label']} = {v}" for v in c["values"]] for c in data["controls"]]
    found = {}
    for chosen, (picture, sentence) in zip(itertools.product(*labels), data["states"], strict=True):
        panels = [_panel(data, place) for place in data["pictures"][picture]]
        found[" · ".join(chosen)] = (data["sentences"][sentence], panels)
    return found


def _panel(data: dict, place: int) -> dict:
    layout, texts, cells, inks = data["panels"][place]
    faces = [data["palette"][int(cells[i : i + 2], 16)] for i in range(0, len(cells), 2)]
    drawn = list(zip(faces, inks, data["texts"][texts]))
    return {**data["layouts"][layout], "drawn": drawn}


def explorer(old: dict | None, new: dict | None) -> list[Change]:
    """The states of an Explorer that show or say something else."""
    a, b = (_states(json.loads(json.dumps(data))) for data in (old, new))
    found = []
    for state in [*a, *(state for state in b if state not in a)]:
        if a.get(state) == b.get(state):
            continue
        said = [states[state][0] if state in states else "" for states in (a, b)]
        if said[0] == said[1]:
            panels = [states[state][1] for states in (a, b)]
            said = ["the picture", f"the same sentence, another picture: {_moved(*panels)}"]
        found.append(Change(f"[{state}]", *said))
    return found


def _moved(old: list[dict], new: list[dict]) -> str:
    told = []
    for a, b in itertools.zip_longest(old, new, fillvalue={}):
        if a == b:
            continue
        title = a.get("title") or b.get("title") or "its panel"
        drawn = [panel.get("drawn", []) for panel in (a, b)]
        count = sum(x != y for x, y in itertools.zip_longest(*drawn))
        told.append(f"{title}, {count} of {max(map(len, drawn))} cells")
    return "; ".join(told)


def prediction(old: dict | None, new: dict | None) -> list[Change]:
    """The answer to a prediction, if it is another."""
    grids = [_grid(data) for data in (old, new)]
    return [Change("the answer, 1 = kept", *grids)] if grids[0] != grids[1] else []


def _grid(data: dict | None) -> str:
    if data is None:
        return ""
    width = len(data["columns"])
    answer = data["answer"]
    return "\n".join(" ".join(answer[i : i + width]) for i in range(0, len(answer), width))
