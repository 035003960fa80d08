"""Runs one submission in a kernel of its own, within its limits, and has its answers judged."""

from __future__ import annotations

import ast
import json
import math
import os
import queue
import re
import secrets
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from helpers.grade.inside import EVENT, opened
from helpers.grade.series import Exercise, NoSubmission, Original, Submission, submission
from helpers.language import _

import psutil
from jupyter_client.kernelspec import KernelSpecManager
from jupyter_client.manager import AsyncKernelManager

NOT_RUN, LOOK = "not run", "look at it"
ROOT = Path(__file__).parents[2]
_LOOK_EVERY = 0.25  # seconds, at the clock and at the memory
_TO_STOP = 10.0  # seconds that a kernel has to follow an interrupt
_TO_START = (
    300.0  # seconds that a kernel has to start, and to import TensorFlow: not the cells' time
)


@dataclass(frozen=True)
class Limits:
    """What a submission may use: seconds for a cell and for all of it, and gigabytes."""

    cell: float = 180.0
    notebook: float = 900.0
    memory: float = 4.0


class Row(NamedTuple):
    """One line of the marks. The score is 1.0 or 0.0; empty where a teacher has to look."""

    file: str
    exercise: str
    outcome: str
    score: str
    message: str


class TooSlow(Exception):
    """A cell was stopped; the kernel goes on."""


class Gone(Exception):
    """The kernel is no more; the message says why."""


async def mark(path: Path, name: str, series: list[Original], limits: Limits) -> list[Row]:
    """The rows of one submission, one for each exercise, whatever it does.

    Args:
        path: The submitted notebook.
        name: What the rows call it.
        series: The originals.
        limits: Beyond them a cell is stopped, or the kernel.
    """
    try:
        submitted = submission(path, series)
    except NoSubmission as reason:
        return [Row(name, "", NOT_RUN, "0.0", str(reason))]
    with tempfile.TemporaryDirectory(prefix="masks-", ignore_cleanup_errors=True) as folder:
        run = _Run(submitted, limits)
        try:
            await run.start(folder, submitted.original.chapter)
            await run.all_cells()
        except Gone as reason:
            run.gone = str(reason)
        finally:
            await run.end()
    return [Row(name, e.number, *run.row(e)) for e in submitted.original.exercises]


class _Run:
    """A submission in its kernel."""

    def __init__(self, submitted: Submission, limits: Limits) -> None:
        self.submitted, self.limits = submitted, limits
        # This Python's own kernel: another of the name may stand in the user's folder.
        specs = KernelSpecManager(kernel_dirs=[])
        self.manager = AsyncKernelManager(kernel_name="python3", kernel_spec_manager=specs)
        self.client = self.manager.client
        self.key = b""
        self.ends = math.inf
        self.errors: dict[int, str] = {}  # by the place of the cell
        self.said: dict[
            str, dict[str, Any] | str
        ] = {}  # by exercise: a verdict, or why there is none
        self.gone = ""
        self.place = 0

    async def start(self, folder: str, chapter: str) -> None:
        # A folder of its own: no `helpers.py` beside the notebook hides ours, and no settings
        # that another submission wrote are read.
        own = {name: str(Path(folder, name)) for name in ("IPYTHONDIR", "KERAS_HOME")}
        path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
        environment = os.environ | own | {"PYTHONPATH": path, "CUDA_VISIBLE_DEVICES": "-1"}
        work = Path(folder, "notebooks")
        work.mkdir()
        silent = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        await self.manager.start_kernel(cwd=str(work), env=environment, **silent)
        self.client = self.manager.client()
        self.client.start_channels(stdin=False)
        try:
            await self.client.wait_for_ready(timeout=_TO_START)
        except RuntimeError as error:
            raise Gone(_("the kernel did not start: {error}", error=error)) from error
        asks = f"__import__('helpers.grade.inside', fromlist=['x']).prepare({chapter!r})"
        reply = await self.run("", asks, _TO_START)
        self.key = bytes.fromhex(ast.literal_eval(_value(reply)))
        self.ends = time.monotonic() + self.limits.notebook

    async def all_cells(self) -> None:
        """Run each cell, in order; errors are noted. Judge an exercise where its check stands."""
        due: dict[int, list[Exercise]] = {}
        for exercise in self.submitted.original.exercises:
            due.setdefault(self.submitted.judged_after(exercise), []).append(exercise)
        checks = {e.check for e in self.submitted.original.exercises}
        for i, cell in enumerate(self.submitted.cells):
            self.place = i
            ours = cell.get("id") in checks and self.submitted.is_ours(cell)
            if cell.cell_type == "code" and not ours:
                try:
                    reply = await self.run(cell.source)
                except TooSlow as reason:
                    self.errors[i] = str(reason)
                else:
                    allowed = "raises-exception" in cell.metadata.get("tags", [])
                    if reply["status"] == "error" and not allowed:
                        self.errors[i] = _error(reply)
            for exercise in due.get(i, []):
                self.said[exercise.number] = await self.judge(exercise)
        for exercise in self.submitted.original.exercises:
            if not _is_answered(self.said[exercise.number]):  # it may stand further down
                self.said[exercise.number] = await self.judge(exercise)

    async def judge(self, exercise: Exercise) -> dict[str, Any] | str:
        nonce, among = secrets.token_hex(16), self.submitted.names(exercise)
        request = json.dumps({"nonce": nonce, "number": exercise.number, "among": among})
        # What hangs at the event puts its signed answer into the list.
        raised = f"__import__('sys').audit({EVENT!r}, box, {request!r})"
        asks = f"(lambda box: ({raised}, box[0])[1])([])"
        try:
            reply = await self.run("", asks)
        except TooSlow as reason:
            return str(reason)
        try:
            verdict = opened(ast.literal_eval(_value(reply)), self.key)
            assert verdict and verdict["nonce"] == nonce
        except Exception:
            if "KeyboardInterrupt" in str(reply):
                return self.too_slow()
            way = _("the way to our check")
            return {"outcome": LOOK, "message": "", "replaced": [way]}
        return verdict

    async def run(self, code: str, asks: str = "", seconds: float = 0.0) -> dict[str, Any]:
        """The kernel's reply to `code`, or the value that it has for the expression `asks`.

        Raises:
            TooSlow: if it had to be interrupted.
            Gone: if there is no kernel any more, or it had to be ended.
        """
        sent = self.client.execute(
            code,
            silent=bool(asks),
            store_history=not asks,
            user_expressions={"said": asks} if asks else None,
            allow_stdin=False,
            stop_on_error=False,
        )
        late, stopped = min(time.monotonic() + (seconds or self.limits.cell), self.ends), False
        while True:
            try:
                reply = await self.client.get_shell_msg(timeout=_LOOK_EVERY)
            except queue.Empty:
                reply = None
            if reply and reply["parent_header"].get("msg_id") == sent:
                if stopped and reply["content"]["status"] != "ok":
                    raise TooSlow(self.too_slow())
                return reply["content"]
            if not await self.manager.is_alive():
                raise Gone(_("the kernel ended in cell {i}", i=self.place + 1))
            if self.memory() > self.limits.memory:
                raise Gone(
                    _(
                        "cell {i} took more than {n:g} GB of memory",
                        i=self.place + 1,
                        n=self.limits.memory,
                    )
                )
            if time.monotonic() > late:
                if stopped or time.monotonic() > self.ends:
                    raise Gone(self.too_slow())
                await self.manager.interrupt_kernel()
                late, stopped = time.monotonic() + _TO_STOP, True

    def too_slow(self) -> str:
        if time.monotonic() > self.ends:
            return _(
                "the notebook was stopped after {n:g} seconds, in cell {i}",
                n=self.limits.notebook,
                i=self.place + 1,
            )
        return _("cell {i} was stopped after {n:g} seconds", i=self.place + 1, n=self.limits.cell)

    def memory(self) -> float:
        """Gigabytes that the kernel and the processes that it started take."""
        return sum(_resident(process) for process in self.processes()) / 1e9

    def processes(self) -> list[psutil.Process]:
        try:
            kernel = psutil.Process(self.manager.provisioner.pid)
            return [kernel, *kernel.children(recursive=True)]
        except (psutil.Error, AttributeError, TypeError):  # it has ended, or has not begun
            return []

    async def end(self) -> None:
        left = self.processes()
        if self.manager.has_kernel:
            if callable(getattr(self.client, "stop_channels", None)):
                self.client.stop_channels()
            await self.manager.shutdown_kernel(now=True)
        for process in left:
            try:
                process.kill()
            except psutil.Error:
                pass

    def row(self, exercise: Exercise) -> tuple[str, str, str]:
        """Outcome, score and message."""
        said = self.said.get(exercise.number)
        if said is None:
            return NOT_RUN, "0.0", _("Not reached: {why}.", why=self.gone)
        if isinstance(said, str):
            return NOT_RUN, "0.0", _("The check did not end: {why}.", why=said)
        if "missing" in said:
            return NOT_RUN, "0.0", self.why_missing(exercise, said["missing"])
        if replaced := said["replaced"]:
            names = ", ".join(replaced[:3]) + ", …" * (len(replaced) > 3)
            note = _("The submission replaces {names}.", names=names)
            return LOOK, "", f"{note} {said['message']}".rstrip()
        if said["outcome"] == "correct" and (found := self.submitted.takes_apart()):
            return LOOK, "", _("The check says correct, but {found}.", found=found)
        return said["outcome"], f"{float(said['outcome'] == 'correct')}", said["message"]

    def why_missing(self, exercise: Exercise, name: str) -> str:
        text = _("`{name}` is not there.", name=name)
        cells = self.submitted.cells
        own = [i for i in self.errors if cells[i].get("id") == exercise.stub]
        for i in own or list(self.errors)[:1]:
            text += " " + _("Cell {i}: {error}.", i=i + 1, error=self.errors[i])
        return text


def _is_answered(said: dict[str, Any] | str) -> bool:
    return isinstance(said, str) or said.get("outcome") not in (None, "not attempted")


def _value(reply: dict[str, Any]) -> str:
    return reply["user_expressions"]["said"]["data"]["text/plain"]


def _error(reply: dict[str, Any]) -> str:
    said = " ".join(f"{reply.get('ename')}: {reply.get('evalue')}".split())
    said = re.sub(r"\(\d+\.py, line (\d+)\)$", r"(line \1)", said)
    return said if len(said) <= 200 else said[:199] + "…"


def _resident(process: psutil.Process) -> int:
    try:
        return process.memory_info().rss
    except psutil.Error:
        return 0
