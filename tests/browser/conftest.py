"""One Chromium, one JupyterLab and one site for all browser tests: `make test-browser`."""

import subprocess
from pathlib import Path

from tests.browser.lab import ROOT, jupyterlab
from tools.handout import chromium

import pytest
from playwright.sync_api import sync_playwright

FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@pytest.fixture(scope="session")
def browser():
    path = chromium()
    if path is None:
        pytest.exit(
            "No Chromium found. Install one (Debian: apt-get install chromium), or say where it "
            "is: CHROMIUM=/path/to/chromium make test-browser",
            returncode=3,
        )
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def lab(tmp_path_factory):
    with jupyterlab(tmp_path_factory.mktemp("lab")) as url:
        yield url


@pytest.fixture(scope="session")
def site() -> Path:
    """The published pages, built once, in all languages."""
    subprocess.run(["make", "--silent", "site"], cwd=ROOT, check=True, timeout=600)
    return ROOT / "build" / "site"
