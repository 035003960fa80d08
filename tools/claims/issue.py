"""The report as an issue on GitHub, always the same one: `make claims-issue REPORT=file.md`.

Needs the command `gh` and its token. The issue is known by its label; a report without a changed
claim closes it.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

LABEL = "another-keras"
MOST = 60_000  # characters; GitHub takes 65,536


def gh(*arguments: str, text: str = "") -> str:
    """Run `gh`; what it prints."""
    done = subprocess.run(
        ["gh", *arguments], input=text, capture_output=True, text=True, encoding="utf-8"
    )
    if done.returncode:
        sys.exit(f"gh {' '.join(arguments[:2])} failed: {done.stderr.strip()}")
    return done.stdout


def publish(report: str) -> None:
    """Open the issue, write it anew, or close it.

    Args:
        report: The report as Markdown; its last line says how many claims changed.
    """
    lines = report.strip().splitlines()
    title, last = lines[0].removeprefix("# "), lines[-1].strip("*")
    body = report
    if len(report) > MOST:
        body = (
            f"{report[:MOST]}\n\n… The rest is in the report that the workflow keeps.\n\n{last}\n"
        )
    gh("label", "create", LABEL, "--force", "--description", "What another Keras changes")
    found = json.loads(gh("issue", "list", "--label", LABEL, "--state", "open", "--json", "number"))
    if last.startswith("No claim"):
        for issue in found:
            gh("issue", "close", str(issue["number"]), "--comment", last)
        return
    what = ["--title", f"{title}: {last.rstrip('.')}", "--body-file", "-"]
    if found:
        gh("issue", "edit", str(found[0]["number"]), *what, text=body)
    else:
        gh("issue", "create", "--label", LABEL, *what, text=body)


if __name__ == "__main__":
    publish(Path(sys.argv[1]).read_text(encoding="utf-8"))
