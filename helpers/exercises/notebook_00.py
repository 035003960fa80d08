"""The exercise of notebook 00."""

from typing import Any

from helpers.exercises.engine import as_array, compare_mask

import numpy as np


def _first_mask(answer: Any) -> str:
    right = np.array([True, True, True, True, False, False])
    answer = as_array(answer, "my_mask")
    compare_mask(
        answer.reshape(-1) if answer.shape == (1, 6) else answer,
        right,
        {
            "Off by one: five steps are kept. Count again.": np.arange(6) < 5,
            "Off by one: three steps are kept. Count again.": np.arange(6) < 3,
            "The padding is at the end: the *last* two steps.": np.arange(6) >= 2,
            "Only the first two steps are kept. Four are real.": np.arange(6) < 2,
            "All steps are kept: where is the padding?": np.ones(6),
            "No step is kept: which four are real?": np.zeros(6),
        },
        shown="my_mask",
    )
    return "Every check in the series works like this one."


JUDGES = {"0.1": _first_mask}
