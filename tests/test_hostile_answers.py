"""Answers to any exercise that no learner means: each gets a verdict, and none is correct."""

import sys

from helpers import check
from tests import notebooks

import pytest

NUMBERS = [e.number for path in notebooks.PATHS for e in notebooks.exercises(notebooks.read(path))]


class AlwaysEqual:
    __hash__ = None

    def __eq__(self, other):
        return True

    def __ne__(self, other):
        return False


class Hostile:
    """An object that fails at whatever is asked of it."""

    def fails(self, *_, **__):
        raise RuntimeError("no")

    __str__ = __repr__ = __eq__ = __len__ = __bool__ = __iter__ = fails
    __array__ = __getitem__ = __float__ = __deepcopy__ = __getattr__ = fails
    __hash__ = object.__hash__


def peeks(*_):
    """Takes the solution out of the check that calls it."""
    frame = sys._getframe(1)
    while frame is not None:
        if "right" in frame.f_locals:
            return frame.f_locals["right"]
        frame = frame.f_back
    return 0


def generates(*arguments):
    yield from arguments


ANSWERS = {
    "peeks": peeks,
    "generates": generates,
    "is equal to all": lambda *_: AlwaysEqual(),
    "is an object equal to all": AlwaysEqual(),
    "makes a hostile object": lambda *_: Hostile(),
    "is a hostile object": Hostile(),
    "has no arguments": lambda: 0,
    "is a text": "True",
    "makes a text": lambda *_: "True",
    "holds a hostile object": {24: Hostile(), 34: Hostile(), 37: Hostile(), 39: Hostile()},
}


@pytest.mark.parametrize("number", NUMBERS)
def test_whatever_an_answer_is_it_gets_a_verdict(number):
    for name, answer in ANSWERS.items():
        if name == "peeks" and number in ("10.1", "10.3"):
            continue  # these two compute the solution before they call the answer
        verdict = check(number, answer)
        assert verdict.outcome == "not yet", f"{number}, an answer that {name}: {verdict}"
        assert len(verdict._repr_mimebundle_()["text/plain"]) < 2000
