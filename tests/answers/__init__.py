"""Answers to every exercise: wrong ones with the message they must get, and right ones.

`WRONG[number][name]` is `(answer, pattern)`; `RIGHT[number][name]` is an answer.
"""

from importlib import import_module

from tests import notebooks

WRONG: dict[str, dict] = {}
RIGHT: dict[str, dict] = {}
for _path in notebooks.PATHS:
    _module = import_module(f"tests.answers.notebook_{_path.name[:2]}")
    WRONG |= _module.WRONG
    RIGHT |= _module.RIGHT
