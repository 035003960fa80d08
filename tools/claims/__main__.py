"""`make claims KERAS=keras-nightly`, `make claims KERAS=keras==3.14.1 TENSORFLOW=…`.

Ends in 0 if there is a report, whatever it says; in 1, with the reason, if there is none.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
from pathlib import Path

from tests import notebooks
from tools.claims import environment, report
from tools.claims.environment import ROOT, CannotReport


def _arguments(given: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make claims", description=__doc__.splitlines()[0])
    parser.add_argument("--keras", default="", help="as pip takes it: keras-nightly, keras==3.14.1")
    parser.add_argument("--tensorflow", default="", help="the same for TensorFlow")
    parser.add_argument("--patch", default="", help="a Python file to run before each notebook")
    parser.add_argument("--notebooks", default="", help="only these, such as '04 10'")
    parser.add_argument("--report", type=Path, help="where the Markdown goes")
    parser.add_argument("--jobs", type=int, default=2, help="notebooks at a time")
    options = parser.parse_args(given)
    if not (options.keras or options.tensorflow or options.patch):
        raise CannotReport(
            "Name another Keras or TensorFlow: make claims KERAS=keras-nightly, or "
            "KERAS=keras==3.14.1, or TENSORFLOW=tensorflow-cpu==2.22.0rc0."
        )
    if options.patch and not Path(options.patch).is_file():
        raise CannotReport(f"There is no file {options.patch}.")
    return options


def _paths(chosen: str) -> list[Path]:
    by_number = {path.name[:2]: path for path in notebooks.PATHS}
    unknown = [number for number in chosen.split() if number not in by_number]
    if unknown:
        raise CannotReport(f"No notebook {', '.join(unknown)}; there are {', '.join(by_number)}.")
    return [by_number[number] for number in chosen.split()] or list(by_number.values())


def main(given: list[str]) -> None:
    """Run everything and write the report.

    Raises:
        CannotReport: if there is nothing to compare with.
    """
    options = _arguments(given)
    paths = _paths(options.notebooks)
    name = re.sub(
        r"[^\w.]+", "-", f"{options.keras} {options.tensorflow} {Path(options.patch).stem}".strip()
    )
    folder = ROOT / "build" / "claims" / name.strip("-.")[-60:]
    python = Path(sys.executable)
    if options.keras or options.tensorflow:
        print("Setting up an environment: about a minute.", flush=True)
        python = environment.build(
            folder / "environment", keras=options.keras, tensorflow=options.tensorflow
        )
    old = {"Keras": environment.locked("keras"), "TensorFlow": environment.locked("tensorflow")}
    new = environment.versions(python)
    print(*(f"{name} {version}" for name, version in new.items()), sep=", ", flush=True)

    patch = str(Path(options.patch).resolve()) if options.patch else ""
    runs = folder / "runs"
    for left in runs.glob("*.json"):
        left.unlink()  # of an earlier run
    more = ["--patch", patch, "--jobs", str(options.jobs)]
    _python(python, "tools.claims.running", str(runs), *map(str, paths), *more, shown=True)
    found = {}
    for path in paths:
        file = runs / f"{path.stem}.json"
        if not file.is_file():
            raise CannotReport(f"{path.name} left nothing to compare.")
        found[path] = json.loads(file.read_text(encoding="utf-8"))
    if not any(run["outputs"] for run in found.values()):
        raise CannotReport(f"No cell of any notebook ran: {found[paths[0]]['problem']}")
    verdicts = []
    if not patch:  # the patch belongs to the kernels
        print("answers", flush=True)
        said = _python(python, "tools.claims.answers", *(path.name[:2] for path in paths))
        verdicts = json.loads(said.strip().splitlines()[-1])

    numbers = [*old.values(), new["Keras"], new["TensorFlow"]]
    findings = []
    for path in paths:
        own = [v for v in verdicts if int(v["number"].split(".")[0]) == int(path.name[:2])]
        findings.append(report.examine(path, found[path], own, numbers))
    for target in [folder / "report.md", *([options.report] if options.report else [])]:
        text = report.markdown(findings, old, new, target, patch)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, encoding="utf-8")
        print(target)
    text = (folder / "report.md").read_text(encoding="utf-8")
    (folder / "report.html").write_text(report.as_html(text), encoding="utf-8")
    print(folder / "report.html")
    print(report.last_sentence(findings))


def _python(python: Path, module: str, *arguments: str, shown: bool = False) -> str:
    """Run a module of ours in the other environment; returns what it prints, or shows it."""
    done = subprocess.run(
        [str(python), "-m", module, *arguments],
        cwd=ROOT,
        env=environment.variables(),
        stdout=None if shown else subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        encoding="utf-8",
        errors="replace",
        check=False,
    )
    if done.returncode:
        said = "\n".join(done.stderr.splitlines()[-12:])
        raise CannotReport(f"{module} ended with an error:\n{said}")
    return done.stdout or ""


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except CannotReport as problem:
        sys.exit(f"There is no report. {problem}")
