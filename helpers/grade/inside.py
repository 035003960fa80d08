"""What runs inside the kernel of a submission: our check, kept from the cells of the submission.

`prepare` runs before the first cell. It remembers what functions, classes and constants there are,
and makes a key that no cell sees. To judge, the key's owner raises an audit event of its own
(`sys.audit`): the code that answers it hangs in the interpreter, under no name that a cell could
replace. It first puts back what the cells have replaced, in `helpers` or anywhere else, then
judges, and signs what it found, so that what a cell prints or sends is no verdict.

An answer is code, too, and runs in the same process as its judge. Code that is written to take the
interpreter apart can forge even this; `series.Submission.takes_apart` reads the cells for it.
"""

from __future__ import annotations

import copy
import hashlib
import hmac
import importlib
import json
import secrets
import sys
from collections.abc import Callable
from types import FunctionType, ModuleType
from typing import Any

import numpy as np

EVENT = "masks-you-can-see.judge"
OURS = ("helpers", "maskprobe")
# What judges call. Other libraries replace things of their own as they run, in honest work, too.
WATCHED = frozenset(
    "builtins collections contextlib copy dataclasses functools hashlib helpers hmac html "
    "importlib inspect io itertools json keras maskprobe math ml_dtypes numpy random re "
    "tensorflow textwrap types".split()
)
_MISSING = object()


def prepare(chapter: str) -> str:
    """Get ready to judge the exercises of a notebook.

    Args:
        chapter: The notebook's number, `"02"`.

    Returns:
        The key that signs each verdict, in hexadecimal digits.
    """
    from helpers import check

    import keras  # noqa: F401  (so that it is remembered, too)
    from IPython import get_ipython

    importlib.import_module(f"helpers.exercises.notebook_{chapter}")
    judge = _judge(check, Snapshot(), get_ipython().user_ns)
    key = secrets.token_bytes(32)

    def hook(event: str, arguments: tuple) -> None:
        if event == EVENT:
            box, request = arguments
            said = json.dumps(judge(**json.loads(request)))
            box.append(signed(said, key))

    sys.addaudithook(hook)
    return key.hex()


def signed(said: str, key: bytes) -> str:
    return hmac.new(key, said.encode(), hashlib.sha256).hexdigest() + said


def opened(message: str, key: bytes) -> dict[str, Any] | None:
    """What was signed with `key`; `None` if it was not."""
    said = message[64:]
    return json.loads(said) if hmac.compare_digest(signed(said, key), message) else None


def _judge(check: Callable, snapshot: Snapshot, names: dict[str, Any]) -> Callable[..., dict]:
    def judge(nonce: str, number: str, among: list[str]) -> dict[str, Any]:
        replaced = snapshot.restore()
        there = [name for name in among if name in names]
        attempted = [name for name in there if names[name] is not ...]
        if not there:
            return {"nonce": nonce, "missing": among[0], "replaced": replaced}
        verdict = check(number, names[(attempted or there)[0]])
        replaced += snapshot.restore()  # an answer may replace things when it is called
        said = {"outcome": verdict.outcome, "message": verdict.message}
        return {"nonce": nonce, **said, "replaced": replaced}

    return judge


class Snapshot:
    """What there is in the modules that judges use: to see what is replaced, and to put it back."""

    def __init__(self) -> None:
        modules = {n: m for n, m in sys.modules.items() if n.split(".")[0] in WATCHED}
        self.modules = {
            n: (m, dict(vars(m))) for n, m in modules.items() if isinstance(m, ModuleType)
        }
        values = [v for _, before in self.modules.values() for v in before.values()]
        classes = {id(v): v for v in values if isinstance(v, type)}
        self.classes = [(cls, dict(vars(cls))) for cls in classes.values()]
        values += [v for _, before in self.classes for v in before.values()]
        functions = {id(f): f for f in map(_function, values) if isinstance(f, FunctionType)}
        self.functions = [
            (f, f.__code__, f.__defaults__, f.__kwdefaults__) for f in functions.values()
        ]
        held = [
            (f"{n}.{key}", value, copy.copy(value))
            for n, (_, before) in self.modules.items()
            for key, value in before.items()
            if _ours(n) and key[:2] != "__" and type(value) in _REFILL
        ]
        self.held = held
        self.builtins = frozenset(vars(sys.modules["builtins"]))

    def restore(self) -> list[str]:
        """Put back what has been replaced; returns the names."""
        replaced = []
        for name, (module, before) in self.modules.items():
            if sys.modules.get(name) is not module:
                sys.modules[name] = module
                replaced.append(name)
            now = vars(module)
            for key, value in before.items():
                if now.get(key, _MISSING) is not value and (_ours(name) or callable(value)):
                    now[key] = value
                    replaced.append(f"{name}.{key}")
            for key in self.builtins & (now.keys() - before.keys()):  # it hides the real one
                if key[:2] != "__" and not isinstance(now[key], ModuleType):
                    del now[key]
                    replaced.append(f"{name}.{key}")
        for cls, before in self.classes:
            now = vars(cls)
            for key, value in before.items():
                if now.get(key, _MISSING) is not value and (
                    callable(value) or hasattr(type(value), "__get__")
                ):
                    type.__setattr__(cls, key, value)
                    replaced.append(f"{cls.__module__}.{cls.__qualname__}.{key}")
        for function, *parts in self.functions:
            now = [function.__code__, function.__defaults__, function.__kwdefaults__]
            if any(a is not b for a, b in zip(parts, now)):
                function.__code__, function.__defaults__, function.__kwdefaults__ = parts
                replaced.append(f"{function.__module__}.{function.__qualname__}")
        for name, value, before in self.held:
            if not _holds_the_same(value, before):
                _REFILL[type(value)](value, before)
                replaced.append(name)
        return replaced


def _refill(value: Any, before: Any) -> None:
    value.clear()
    (value.extend if isinstance(value, list) else value.update)(before)


# What can be changed in place, and how it is put back.
_REFILL: dict[type, Callable[[Any, Any], None]] = {
    dict: _refill,
    list: _refill,
    set: _refill,
    np.ndarray: lambda value, before: np.copyto(value, before),
}


def _holds_the_same(value: Any, before: Any) -> bool:
    if isinstance(value, np.ndarray):
        return value.tobytes() == before.tobytes()
    if isinstance(value, set):
        return value == before
    if isinstance(value, dict):
        value, before = ([x for pair in d.items() for x in pair] for d in (value, before))
    return len(value) == len(before) and all(a is b for a, b in zip(value, before))


def _ours(name: str) -> bool:
    return name.split(".")[0] in OURS


def _function(value: Any) -> Any:
    """The function behind a static method, a class method, a property or a wrapper."""
    value = getattr(value, "fget", value) if isinstance(value, property) else value
    value = value.__func__ if isinstance(value, staticmethod | classmethod) else value
    return value
