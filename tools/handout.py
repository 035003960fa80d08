"""Print the published pages as PDFs, in a headless Chromium: `make handout`.

How they look on paper is the pages' own doing (`paper` in `site/_static/masks.js`, the print
style in `masks.css`), so printing a page by hand gives the same.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from tools.site_pages import ROOT, Edition
from tools.site_words import SPHINX

SITE, TARGET = ROOT / "build" / "site", ROOT / "build" / "handout"
FLAGS = ["--headless", "--disable-gpu", "--no-first-run", "--no-pdf-header-footer"]


def chromium() -> str | None:
    """Where Chromium is: `$CHROMIUM`, or the first of the usual names on the path."""
    names = [os.environ.get("CHROMIUM"), "chromium", "chromium-browser", "google-chrome", "chrome"]
    return next((path for path in map(shutil.which, filter(None, names)) if path), None)


def printed(page: Path, pdf: Path, browser: str) -> None:
    """Print a page.

    Raises:
        RuntimeError: if the browser writes no PDF, with what it says.
    """
    with tempfile.TemporaryDirectory() as profile:
        # Chromium refuses to run as root, as in containers, with its sandbox.
        root = ["--no-sandbox"] if hasattr(os, "getuid") and os.getuid() == 0 else []
        options = [*FLAGS, *root, f"--user-data-dir={profile}", f"--print-to-pdf={pdf}"]
        command = [browser, *options, page.as_uri()]
        done = subprocess.run(command, capture_output=True, text=True, timeout=180, check=False)
    if done.returncode or not pdf.exists():
        raise RuntimeError(f"{browser} did not print {page.name}:\n{done.stderr}")


def main(site: Path = SITE, target: Path = TARGET) -> int:
    browser = chromium()
    if browser is None:
        print("No Chromium found. Install one, or say where it is: CHROMIUM=/path/to/chromium")
        return 1
    shutil.rmtree(target, ignore_errors=True)
    for edition in filter(lambda e: e.paths, map(Edition, SPHINX)):
        place = "" if edition.language == "en" else edition.language
        (target / place).mkdir(parents=True, exist_ok=True)
        for path in edition.paths:
            pdf = target / place / f"{path.stem}.pdf"
            printed((site / place / f"{path.stem}.html").resolve(), pdf.resolve(), browser)
            print(pdf)
    return 0


if __name__ == "__main__":
    sys.exit(main(*map(Path, sys.argv[1:])))
