"""Mark submitted notebooks: a line for each exercise, as CSV.

This runs other people's code, as you: what you may read, change, delete and send, it may, too. Each
submission gets a kernel, a working folder and limits of time and memory; that guards against
accidents, not against malice, and a process that detaches itself lives on. Mark on a machine, or in
a container, that holds nothing of yours and has no network; copy the notebooks there and only the
marks back.

A submission does not mark itself: our checks judge its answers where the original has its check
cells, whatever the submission has there; what it replaces in this package, in NumPy or in Keras is
put back first and reported, and what it prints does not count. An answer runs in one process with
its judge, though: somebody who takes the Python interpreter apart can still forge a verdict. And
the solutions are published: a mark says that an answer is right, not whose it is.

Outcomes: "correct" (score 1.0); "not yet", "not attempted" and "not run" (0.0), with the reason;
"look at it" (no score) where a submission has replaced what judges it, or reads as if it tried.
"""

from __future__ import annotations

import argparse
import asyncio
import csv
import hashlib
import sys
from pathlib import Path

from helpers.grade.kernels import NOT_RUN, ROOT, Limits, Row, mark
from helpers.grade.series import NOTEBOOKS, Original, originals
from helpers.language import _


def found(places: list[Path]) -> dict[Path, str]:
    """The notebooks in `places`, each with the name that its rows have.

    Raises:
        FileNotFoundError: if a place does not exist or holds no notebook.
    """
    result: dict[Path, str] = {}
    for place in places:
        if not place.exists():
            raise FileNotFoundError(_("There is no {place}.", place=place))
        within = sorted(place.rglob("*.ipynb")) if place.is_dir() else [place]
        paths = [
            p for p in within if not any(part[:1] == "." for part in p.relative_to(place).parts)
        ]
        if not paths:
            raise FileNotFoundError(_("There is no notebook in {place}.", place=place))
        for path in paths:
            result[path] = path.relative_to(place).as_posix() if place.is_dir() else path.name
    names = list(result.values())
    return {p: n if names.count(n) == 1 else p.as_posix() for p, n in result.items()}


async def mark_all(
    paths: dict[Path, str], series: list[Original], limits: Limits, jobs: int
) -> int:
    """Write the rows of all submissions to stdout, in order; returns the exit status."""
    out = csv.writer(sys.stdout)
    out.writerow(Row._fields)
    before, free, done = _fingerprint(), asyncio.Semaphore(jobs), 0

    async def one(path: Path, name: str) -> list[Row]:
        nonlocal done
        async with free:
            try:
                rows = await mark(path, name, series, limits)
            except Exception as error:  # the others of the class still get their marks
                rows = [Row(name, "", NOT_RUN, "0.0", f"{type(error).__name__}: {error}")]
        done += 1
        _progress(done, len(paths), name)
        return rows

    _progress(0, len(paths), "")
    tasks = [asyncio.create_task(one(path, name)) for path, name in paths.items()]
    try:
        for task in tasks:
            rows = await task
            if _fingerprint() != before:
                print(
                    "\n"
                    + _(
                        "Stopped: a file of helpers or maskprobe has changed since marking "
                        "began, so the checks may no longer be ours. Restore them, and look at "
                        "the last submissions, {name} among them.",
                        name=rows[0].file,
                    ),
                    file=sys.stderr,
                )
                return 1
            out.writerows([_harmless(cell) for cell in row] for row in rows)
            sys.stdout.flush()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    return 0


def _fingerprint() -> str:
    """Of the source of what judges: a submission could write there, and all later ones gain."""
    digest = hashlib.sha256()
    for folder in ("helpers", "maskprobe"):
        for path in sorted((ROOT / folder).rglob("*.py")):
            digest.update(str(path).encode() + path.read_bytes())
    return digest.hexdigest()


def _harmless(text: str) -> str:
    """A cell that no spreadsheet takes for a formula."""
    return f"'{text}" if text[:1] in ("=", "+", "-", "@", "\t", "\r") else text


def _progress(done: int, of: int, name: str) -> None:
    bar = ("█" * (20 * done // of)).ljust(20, "·")
    end = "\n" if done == of or not sys.stderr.isatty() else ""
    start = "\r\x1b[K" if sys.stderr.isatty() else ""
    print(f"{start}{bar} {done}/{of}  {name}", end=end, file=sys.stderr, flush=True)


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        "python -m helpers.grade",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    limits = Limits()
    parser.add_argument("places", nargs="+", type=Path, metavar="FOLDER_OR_NOTEBOOK")
    parser.add_argument(
        "--seconds", type=float, default=limits.cell, help=_("for one cell (%(default)g)")
    )
    parser.add_argument(
        "--in-all",
        type=float,
        default=limits.notebook,
        help=_("seconds for a notebook (%(default)g)"),
    )
    parser.add_argument(
        "--memory",
        type=float,
        default=limits.memory,
        help=_("gigabytes for a notebook (%(default)g)"),
    )
    parser.add_argument("--jobs", type=int, default=2, help=_("notebooks at a time (%(default)s)"))
    parser.add_argument(
        "--originals", type=Path, default=NOTEBOOKS, help=_("the folder of the series' notebooks")
    )
    asked = parser.parse_args(arguments)
    if min(asked.seconds, asked.in_all, asked.memory, asked.jobs) <= 0:
        parser.error(_("limits and jobs are greater than 0"))
    try:
        paths, series = found(asked.places), originals(asked.originals)
    except FileNotFoundError as error:
        parser.error(str(error))
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(encoding="utf-8", errors="backslashreplace")
    sys.stdout.reconfigure(newline="")  # as the csv module asks
    limits = Limits(asked.seconds, asked.in_all, asked.memory)
    return asyncio.run(mark_all(paths, series, limits, asked.jobs))


if __name__ == "__main__":
    sys.exit(main())
