"""Pages in `docs/` whose code is run, with one Keras beside another: `make measured-pages`.

A page says in a comment which it is measured with, `<!-- measured: locked | keras-nightly -->`:
`locked` is what the lock names, anything else a package as pip takes it. The Python blocks of the
page run in order, in one namespace. What a block prints as `name: value` becomes a row of the table
below it, and each Keras a column. In a page with `<!-- atlas -->` the rows of the layer atlas that
differ become a table, too.
"""

from __future__ import annotations

import contextlib
import datetime
import importlib
import io
import json
import re
import subprocess
import sys
import tempfile
import warnings
from pathlib import Path

from tools.claims import environment
from tools.claims.environment import ROOT, CannotReport

DOCS = ROOT / "docs"
_WITH = re.compile(r"^<!-- measured: (.+?) -->$", re.M)
_BLOCK = re.compile(r"^```python\n(?P<code>.*?)^```\n(?P<table>\n(?:^\|[^\n]*\n)+)?", re.M | re.S)
_DATE = re.compile(r"^Measured on .*$", re.M)
_ATLAS = re.compile(r"(?<=<!-- atlas -->\n).*?(?=<!-- /atlas -->)", re.S)
WARNS = "Keras warns"
# Of a record of the atlas, what is compared, and what the reader calls it.
FIELDS = {"role": "role", "mask_out": "mask out", "empty_row": "a row of padding only"}


def columns(page: str) -> list[str]:
    """What a page is measured with.

    Raises:
        ValueError: if it does not say so.
    """
    found = _WITH.search(page)
    if found is None:
        raise ValueError("The page has no comment `<!-- measured: locked | keras-nightly -->`.")
    return [name.strip() for name in found[1].split("|")]


def pages() -> list[Path]:
    """The pages of `docs/` that are measured."""
    return [p for p in sorted(DOCS.glob("*.md")) if _WITH.search(p.read_text(encoding="utf-8"))]


def stored(page: str, column: str) -> list[dict[str, str]]:
    """What the tables of a page say of one Keras, block by block.

    Raises:
        ValueError: if a table has no such column.
    """
    found = []
    for block in _BLOCK.finditer(page):
        rows = [
            [cell.strip() for cell in row.strip("|").split("|")]
            for row in (block["table"] or "").strip().splitlines()
        ]
        values = {}
        if rows:
            place = rows[0].index(column)
            values = {row[0]: row[place] for row in rows[2:]}
        found.append(values)
    return found


def run(page: str) -> list[dict[str, str]]:
    """Run the blocks of a page with this process' `keras`; for each, its values by name."""
    found: list[dict[str, str]] = []
    namespace: dict = {"__name__": "__main__"}
    for place, block in enumerate(_BLOCK.finditer(page)):
        printed, problem = io.StringIO(), ""
        with warnings.catch_warnings(record=True) as said, contextlib.redirect_stdout(printed):
            warnings.simplefilter("always")
            try:
                exec(compile(block["code"], f"block {place}", "exec"), namespace)
            except Exception as error:  # of one Keras; the others may not fail
                problem = f"fails: {type(error).__name__}"
        values = dict(line.split(": ", 1) for line in printed.getvalue().splitlines())
        warned = any("destroy the mask" in str(warning.message) for warning in said)
        if values or problem:
            values[WARNS] = "yes" if warned else "no"
        if problem:
            values[""] = problem
        found.append(values)
    return found


def filled(page: str, measured: dict[str, list[dict[str, str]]]) -> str:
    """A page with its tables as they were measured.

    Args:
        page: The page, with tables or without.
        measured: From the name of each Keras to what `run` found.
    """
    places = iter(range(len(_BLOCK.findall(page))))

    def block(match: re.Match) -> str:
        place = next(places)
        values = [blocks[place] for blocks in measured.values()]
        text = f"```python\n{match['code']}```\n"
        names = list(dict.fromkeys(name for found in values for name in found if name))
        if not names:
            return text
        if all(found.get(WARNS) == "no" for found in values):
            names.remove(WARNS)
        rows = [["printed", *measured], ["---"] * (len(values) + 1)]
        rows += [[name, *(v.get(name, v.get("", "–")) for v in values)] for name in names]
        return text + "\n" + "".join(f"| {' | '.join(row)} |\n" for row in rows)

    return _BLOCK.sub(block, page)


def atlas_table(old: dict, new: dict) -> str:
    """The forms of the atlas that two Kerases treat otherwise; equal ones in one row."""
    records = [{r["form"]: r for r in atlas["records"]} for atlas in (old, new)]
    alike: dict[tuple[str, str], list[str]] = {}
    for form, a in records[0].items():
        b = records[1].get(form)
        if b is None or "fails" in (a["role"], b["role"]):
            continue  # a layer or an argument that only one of them has
        told = _told(a, b), _told(b, a)
        if told[0] != told[1]:
            alike.setdefault(told, []).append(f"`{form}`")
    names = [atlas["keras"].replace("_", "-").replace("keras 3", "Keras 3") for atlas in (old, new)]
    rows = [["layer", *names], ["---"] * 3]
    rows += [[", ".join(forms), *told] for told, forms in alike.items()]
    return "".join(f"| {' | '.join(row)} |\n" for row in rows)


def _told(record: dict, other: dict) -> str:
    """What is said of a record beside the other: what differs."""
    parts = [
        f"{name}: {record[field] or 'none'}"
        for field, name in FIELDS.items()
        if record[field] != other[field]
    ]
    if record["warned"] != other["warned"] and "silently" not in record["role"]:
        parts.append("Keras warns" if record["warned"] else "Keras says nothing")
    for side in ("after", "before"):
        leak, its = record[f"leak_{side}"], other[f"leak_{side}"]
        if bool(leak) != bool(its) and None not in (leak, its):
            by = f"by {leak:g}" if leak else "not at all"
            parts.append(f"padding {side} the words moves them {by}")
    return "; ".join(parts)


def _python_of(column: str) -> tuple[Path, str]:
    """The Python of a column, and the name of its package."""
    if column == "locked":
        return Path(sys.executable), "keras"
    name = re.sub(r"[^\w.]+", "-", column)
    folder = ROOT / "build" / "claims" / name / "environment"
    if column.startswith(("tf-keras", "tf_keras")):
        return environment.build(folder, more=(column,)), "tf_keras"
    return environment.build(folder, keras=column), "keras"


def _ask(python: Path, where: Path, *arguments: str) -> str:
    done = subprocess.run(
        [str(python), "-m", *arguments],
        cwd=where,
        env=environment.variables(TF_USE_LEGACY_KERAS="1" if "tf_keras" in arguments else "0"),
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=False,
    )
    if done.returncode:
        raise CannotReport("\n".join(done.stderr.splitlines()[-12:]))
    return done.stdout


def refresh(path: Path) -> None:
    """Measure a page again and write it.

    Raises:
        CannotReport: if one of its columns cannot be measured.
    """
    page = path.read_text(encoding="utf-8")
    measured, atlases = {}, []
    # One folder for all of them: what one Keras saves, the next may load.
    with tempfile.TemporaryDirectory() as folder:
        for column in columns(page):
            python, package = _python_of(column)
            said = _ask(python, Path(folder), "tools.measured_pages", "--run", str(path), package)
            answer = json.loads(said.strip().splitlines()[-1])
            measured[answer["keras"]] = answer["blocks"]
            if "<!-- atlas -->" in page:
                more = [package] if package == "tf_keras" else []
                atlases.append(json.loads(_ask(python, ROOT, "helpers.atlas", *more)))
    page = filled(page, measured)
    today = datetime.datetime.now(datetime.UTC).date().isoformat()
    page = _DATE.sub(f"Measured on {today} with {' and '.join(measured)}.", page)
    if atlases:
        page = _ATLAS.sub(lambda _: "\n" + atlas_table(*atlases) + "\n", page)
    path.write_text(page, encoding="utf-8")


def _answer(path: Path, package: str) -> None:
    """Run a page in this process, its `import keras` meaning `package`, and print the values."""
    module = importlib.import_module(package)
    sys.modules["keras"] = module
    name = "tf-keras" if package == "tf_keras" else "Keras"
    blocks = run(path.read_text(encoding="utf-8"))
    print(json.dumps({"keras": f"{name} {module.__version__}", "blocks": blocks}))


def main(arguments: list[str]) -> None:
    if arguments[:1] == ["--run"]:
        _answer(Path(arguments[1]), arguments[2])
        return
    for path in map(Path, arguments or pages()):
        print(path, flush=True)
        refresh(path)


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except CannotReport as problem:
        sys.exit(f"The page stays as it is. {problem}")
