import numpy as np
import tensorflow as tf

WRONG = {
    "0.1": {
        "flipped polarity": ([False] * 4 + [True] * 2, "polarity is flipped"),
        "off by one": ([True] * 5 + [False], "Off by one: five"),
        "off by one, downwards": ([True] * 3 + [False] * 3, "Off by one: three"),
        "padding before": ([False] * 2 + [True] * 4, "at the end"),
        "before, and flipped": ([True] * 2 + [False] * 4, "Only the first two"),
        "padding on both sides": ([False] + [True] * 4 + [False], "2 of 6 steps differ"),
        "padding inside": ([True, True, False, False, True, True], "4 of 6 steps differ"),
        "all kept": ([True] * 6, "where is the padding"),
        "none kept": ([False] * 6, "No step is kept"),
        "too short": ([True] * 4, r"shape \(4,\); expected \(6,\)"),
        "too long": ([True] * 4 + [False] * 4, r"shape \(8,\)"),
        "a column": ([[True]] * 4 + [[False]] * 2, r"shape \(6, 1\)"),
        "two rows": ([[True] * 4 + [False] * 2] * 2, r"shape \(2, 6\)"),
        "wrong dtype": ([1, 1, 1, 1, 0, 0], "dtype int64"),
        "floats": ([1.0] * 4 + [0.0] * 2, "dtype float64"),
        "ids": ([711, 632, 71, 1, 0, 0], "3 of 6 steps differ"),
        "words": (["keep"] * 4 + ["mask"] * 2, "no array of numbers"),
        "True in quotes": (["True"] * 4 + ["False"] * 2, "holds text, such as 'True'"),
        "one text": ("True True True True False False", "holds text"),
        "an Ellipsis left": ([True, True, True, True, ..., False], "still a `...`"),
        "a set": ({True, False}, "no array of numbers"),
        "a count": (4, r"shape \(\)"),
        "a function": (lambda: [True] * 4 + [False] * 2, "no array of numbers"),
    }
}

RIGHT = {
    "0.1": {
        "an array": np.array([1, 1, 1, 1, 0, 0], bool),
        "a comparison": np.arange(6) < 4,
        "a batch of one": [[True] * 4 + [False] * 2],
        "a tuple": (True, True, True, True, False, False),
        "a tensor": tf.constant([True] * 4 + [False] * 2),
        "a sequence mask": tf.sequence_mask([4], 6),
    }
}
