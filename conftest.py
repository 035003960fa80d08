"""For all tests: how they are shared out to the workers, and what the kernels of nbval store."""

import os
import re

from helpers import states

import pytest

# In the kernels in which nbval runs the notebooks: compare all states of every Explorer.
os.environ[states.VARIABLE] = "1"

# Each of these stays on one worker: a notebook has one kernel, patients are drawn once.
TOGETHER = (".ipynb", "test_patients.py", "test_atlas.py")
# The exercises of notebook 10 go where the atlas goes: measuring every layer takes a while.
OF_THE_ATLAS = re.compile(r"\[10[._]")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    """Share out single tests, not whole files: both workers have something to do until the end."""
    from xdist.scheduler import LoadScopeScheduling

    class Scheduling(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            file = nodeid.split("::")[0]
            if OF_THE_ATLAS.search(nodeid):
                return "tests/test_atlas.py"
            return file if file.endswith(TOGETHER) else nodeid

    return Scheduling(config, log)
