"""The exercise of notebook 00."""

from typing import Any

from helpers.exercises.engine import as_array, compare_mask
from helpers.language import _

import numpy as np


def _first_mask(answer: Any) -> str:
    right = np.array([True, True, True, True, False, False])
    answer = as_array(answer, "my_mask")
    compare_mask(
        answer.reshape(-1) if answer.shape == (1, 6) else answer,
        right,
        {
            _("Off by one: five steps are kept. Count again."): np.arange(6) < 5,
            _("Off by one: three steps are kept. Count again."): np.arange(6) < 3,
            _("The padding is at the end: the *last* two steps."): np.arange(6) >= 2,
            _("Only the first two steps are kept. Four are real."): np.arange(6) < 2,
            _("All steps are kept: where is the padding?"): np.ones(6),
            _("No step is kept: which four are real?"): np.zeros(6),
        },
        shown="my_mask",
    )
    return _("Every check in the series works like this one.")


JUDGES = {"0.1": _first_mask}
