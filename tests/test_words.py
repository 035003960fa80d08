"""The sentences of the series."""

from helpers import words

import numpy as np


def test_words_have_the_shape_of_the_ids():
    assert words([[711, 632, 71, 0]]) == [["hello", "world", "!", ""]]
    assert words([]) == []
    assert words(927) == "today"
    assert words(np.array([5, 927])) == ["5", "today"]
