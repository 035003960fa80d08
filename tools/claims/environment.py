"""An environment of its own, as the lock says but for Keras or TensorFlow."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
LOCK = ROOT / "requirements.lock"
# What a package of another name puts in its place: two of them would overwrite one another.
_SAME_FOLDER = {"keras": ("keras", "keras-nightly"), "tensorflow": ("tensorflow", "tensorflow-cpu")}
_VERSIONS = """
import importlib.metadata, json, platform, keras, tensorflow
found = {"Keras": keras.__version__, "TensorFlow": tensorflow.__version__}
try:
    found["tf_keras"] = importlib.metadata.version("tf_keras")
except importlib.metadata.PackageNotFoundError:
    pass
found["Python"] = f"{platform.python_version()} on {platform.system()} {platform.machine()}"
print(json.dumps(found))
"""


class CannotReport(Exception):
    """There is nothing to report on, and the message says why."""


def locked(package: str) -> str:
    """The version of a package that the stored notebooks were run with."""
    found = re.search(rf"^{package}==([\w.]+)", LOCK.read_text(encoding="utf-8"), re.M)
    if found is None:
        raise CannotReport(f"{package} is not in {LOCK.name}.")
    return found[1]


def build(
    folder: Path, *, keras: str = "", tensorflow: str = "", more: tuple[str, ...] = ()
) -> Path:
    """Make an environment: everything in the lock, then the other packages in place of its own.

    Args:
        folder: Where it goes; what stands there is replaced, but for an environment that was
            made of the same.
        keras: As pip takes it: `"keras-nightly"`, `"keras==3.14.1"`, an address or a folder.
        tensorflow: The same for TensorFlow.
        more: Packages beside them, installed without what they need.

    Returns:
        The path of its Python.

    Raises:
        CannotReport: if something cannot be installed, or Keras cannot be imported then.
    """
    python = folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    made_of = json.dumps([keras, tensorflow, *more, LOCK.read_text(encoding="utf-8")])
    ready = folder / "made-of.json"
    # What is pinned does not change; a nightly does.
    pinned = all("==" in name for name in (keras, tensorflow, *more) if name)
    if pinned and ready.is_file() and ready.read_text(encoding="utf-8") == made_of:
        return python
    shutil.rmtree(folder, ignore_errors=True)
    _run([sys.executable, "-m", "venv", str(folder)], "An environment cannot be made")
    pip = [str(python), "-m", "pip", "--quiet", "--disable-pip-version-check"]
    lock = ["--require-hashes", "--no-deps", "-r", str(LOCK)]
    _run([*pip, "install", *lock], "What the lock names cannot be installed")
    # TensorFlow first: it asks for a package named keras, and would bring it back.
    for module, wanted in {"tensorflow": tensorflow, "keras": keras}.items():
        if wanted:
            _run([*pip, "uninstall", "--yes", *_SAME_FOLDER[module]], f"{module} cannot be removed")
            _run([*pip, "install", "--pre", wanted], f"{wanted} cannot be installed")
    for name in more:
        _run([*pip, "install", "--no-deps", name], f"{name} cannot be installed")
    versions(python)
    ready.write_text(made_of, encoding="utf-8")
    return python


def versions(python: Path | str) -> dict[str, str]:
    """The versions that matter of an environment, by name.

    Raises:
        CannotReport: if Keras or TensorFlow cannot be imported there.
    """
    out = _run([str(python), "-c", _VERSIONS], "Keras and TensorFlow cannot be imported there")
    return json.loads(out.strip().splitlines()[-1])


def variables(**more: str) -> dict[str, str]:
    """The environment variables of a process that runs notebooks."""
    wanted = {
        "TF_CPP_MIN_LOG_LEVEL": "3",
        "TF_ENABLE_ONEDNN_OPTS": "0",
        "CUDA_VISIBLE_DEVICES": "-1",
        "PYTHONPATH": str(ROOT),
        "PYTHONUTF8": "1",
    }
    kept = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    return {**kept, **wanted, **more}


def _run(command: list[str], complaint: str) -> str:
    done = subprocess.run(
        command,
        env=variables(),
        text=True,
        encoding="utf-8",
        errors="replace",
        capture_output=True,
        check=False,
    )
    if done.returncode:
        said = [line for line in done.stderr.splitlines() if not line.startswith("WARNING")]
        raise CannotReport(f"{complaint}:\n" + "\n".join(said[-12:]))
    return done.stdout
