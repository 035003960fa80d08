import numpy as np

WRONG = {
    "0.1": {
        "flipped polarity": ([False] * 4 + [True] * 2, "polarity is flipped"),
        "off by one": ([True] * 5 + [False], "Off by one: five"),
        "off by one, downwards": ([True] * 3 + [False] * 3, "Off by one: three"),
        "padding before": ([False] * 2 + [True] * 4, "at the end"),
        "all kept": ([True] * 6, "where is the padding"),
        "too short": ([True] * 4, r"shape \(4,\); expected \(6,\)"),
        "wrong dtype": ([1, 1, 1, 1, 0, 0], "dtype int64"),
        "words": (["keep"] * 4 + ["mask"] * 2, "no array of numbers"),
    }
}

RIGHT = {
    "0.1": {
        "an array": np.array([1, 1, 1, 1, 0, 0], bool),
        "a comparison": np.arange(6) < 4,
        "a batch of one": [[True] * 4 + [False] * 2],
    }
}
