"""Admission: which fault patient `n` has, its model, its batch, its story."""

from __future__ import annotations

import inspect
import operator
import random
import re
import textwrap
import warnings
from dataclasses import dataclass, field, replace
from types import SimpleNamespace
from typing import Any

from helpers.language import N_, _
from helpers.patients.stories import tell

import numpy as np

_SOUND_BEDS = 6  # in each round; about a fifth of the ward


@dataclass(frozen=True)
class Truth:
    """What is wrong with a patient.

    Attributes:
        kind: The kind of fault, in words; `"sound"` if there is none.
        differ: The two masks that differ, as in `("wanted", "declared")`; `("rows",)` if the
            answer for a row depends on the other rows; `()` if the patient is sound.
        where: Names of the parts at which it goes wrong, the best one first.
        leaks: Whether padding moves the output at real steps.
        trace: What holds for the masks: `"none made"`, `"unused"`, `"dropped"` or `"used"`.
        explanation: One or two sentences.
        cure: The code of a forward pass without the fault.
    """

    kind: str
    differ: tuple[str, ...]
    where: tuple[str, ...]
    leaks: bool
    trace: str
    explanation: str
    cure: str

    def __str__(self) -> str:
        kind = _(self.kind)
        kind = f"{kind[0].upper()}{kind[1:]}"
        if not self.differ:
            head = _("{kind}.", kind=kind)
        elif len(self.differ) == 1:
            head = _("{kind}. Differ: rows. Where: {where}.", kind=kind, where=self.where[0])
        else:
            one, two = map(_, self.differ)
            head = _(
                "{kind}. Differ: {one} and {two}. Where: {where}.",
                kind=kind,
                one=one,
                two=two,
                where=self.where[0],
            )
        return f"{head}\n{self.explanation}\n\n{self.cure}"


@dataclass(frozen=True, eq=False, repr=False)
class Patient:
    """A small model that somebody brought in, see `patient`.

    Attributes:
        number: The number by which it was called.
        story: What its owner tells.
        form: `"Sequential"`, `"Functional"` or `"subclassed"`.
        model: The model, with random weights. A `keras.Model`.
        parts: Its layers by name: `parts.embedding` and so on.
        inputs: A padded batch: ids, int32 `(B, T)`, or features, float32 `(B, T, F)`.
        wanted: Which steps are real, boolean `(B, T)`. Its owner knows.
        pad_value: What the owner filled padded steps with, as it stands in `inputs`.
        side: `"post"` if the padding stands after the real steps, `"pre"` if before them.
        causal: Whether no step may see a later one.
    """

    number: int
    story: str
    form: str
    model: Any
    parts: SimpleNamespace
    inputs: np.ndarray
    wanted: np.ndarray
    pad_value: float
    side: str
    causal: bool
    _kind: Any = field(repr=False)

    @property
    def lengths(self) -> np.ndarray:
        """Real steps of each row, `(B,)`."""
        return self.wanted.sum(axis=1)

    @property
    def code(self) -> str:
        """The owner's forward pass, and the layers that the owner wrote."""
        own = dict.fromkeys(
            layer
            for part in vars(self.parts).values()
            for layer in reversed(type(part).__mro__)
            if layer.__module__.startswith("helpers.")
        )
        return "\n\n".join([*map(_source, own), _source(self._kind.forward)])

    def draw(
        self, seed: int, *, lengths: Any, side: str | None = None, disputed: bool = True
    ) -> tuple[np.ndarray, np.ndarray]:
        """Another batch of the same kind of data.

        Args:
            seed: Seed of the values.
            lengths: Real steps of each row, `(B,)`; the longest one gives `T`.
            side: `"post"` or `"pre"`; by default the patient's own.
            disputed: Whether the values over which masks may differ (a real 0) may occur.

        Returns:
            `(inputs, wanted)`, as in the attributes.
        """
        rng = np.random.default_rng([self.number, seed])
        return self._kind.batch(rng, np.asarray(lengths), side or self.side, disputed)

    def cured(self, inputs: np.ndarray, mask: np.ndarray) -> Any:
        """What the model would answer without its fault, given the wanted mask."""
        return self._kind.cured(self.parts, inputs, mask)

    def reveal(self) -> Truth:
        """The truth. Look for yourself first."""
        kind = self._kind
        return Truth(
            kind=kind.name,
            differ=kind.differ,
            where=kind.where,
            leaks=kind.leaks,
            trace=kind.trace,
            explanation=_(kind.explanation),
            cure=_source(kind.cured),
        )

    def __repr__(self) -> str:
        head = (
            N_("Patient {number} · {form} model · ids {shape}")
            if self.inputs.ndim == 2
            else N_("Patient {number} · {form} model · features {shape}")
        )
        padded = (
            N_("padded after the real steps with {value:g}")
            if self.side == "post"
            else N_("padded before the real steps with {value:g}")
        )
        parts = ", ".join(f"{k}: {type(v).__name__}" for k, v in vars(self.parts).items())
        return "\n".join(
            [
                _(head, number=self.number, form=self.form, shape=self.inputs.shape),
                _(padded, value=self.pad_value),
                *textwrap.wrap(f"“{self.story}”", 72),
                *textwrap.wrap(_("Parts: {parts}", parts=parts), 72),
            ]
        )


def patient(n: int) -> Patient:
    """Call in a patient: a small model with one fault, or none.

    The same number is the same patient, each time and on each machine.

    Args:
        n: A number from 0 on.

    Returns:
        A `Patient`: its owner's story, a model, a padded batch and the wanted mask.
        `reveal()` tells what is wrong with it.

    Raises:
        TypeError: If `n` is no whole number.
        ValueError: If `n` is negative.

    Example:
    >>> one = patient(3)
    >>> print(one)
    >>> padding_leak(one.model, one.inputs, lengths=one.lengths, side=one.side)
    """
    try:
        n = operator.index(n)
    except TypeError:
        raise TypeError(
            _("patients have whole numbers, as in patient(3); got {type}", type=type(n).__name__)
        ) from None
    if n < 0:
        raise ValueError(_("patients are numbered from 0 on; got {n}", n=n))
    from helpers.patients import faults_at_the_reader, faults_in_the_data, faults_on_the_way, sound

    faults = [
        *faults_in_the_data.KINDS,
        *faults_on_the_way.KINDS,
        *faults_at_the_reader.KINDS,
    ]
    # The ward fills by rounds: in each of them every fault lies once, in an order of its own.
    beds = [*faults, *[None] * _SOUND_BEDS]
    turn, bed = divmod(n, len(beds))
    kind = beds[np.random.default_rng([turn, len(beds)]).permutation(len(beds))[bed]]
    rng = np.random.default_rng([n, 8])
    if kind is None:
        kind = sound.KINDS[rng.integers(len(sound.KINDS))]
    state = random.getstate()  # Keras takes default seeds from there
    try:
        with warnings.catch_warnings(action="ignore"):  # what Keras says, readers shall find
            return _admitted(n, kind(rng), rng)
    finally:
        random.setstate(state)


def _admitted(n: int, kind: Any, rng: np.random.Generator) -> Patient:
    import keras

    form = str(rng.choice(kind.forms))
    side = str(rng.choice(kind.sides))
    inputs, wanted = kind.batch(rng, kind.lengths(rng), side)
    parts = SimpleNamespace(**kind.parts())
    for name, part in vars(parts).items():
        part.name = name
    if form == "Sequential":
        model = keras.Sequential(list(vars(parts).values()), name="model")
    elif form == "Functional":
        shape, dtype = (None, *inputs.shape[2:]), inputs.dtype.name
        symbolic = keras.Input(shape, dtype=dtype, name="inputs")
        model = keras.Model(symbolic, kind.forward(parts, symbolic), name="model")
    else:
        model = _subclassed(kind, parts)
    model(inputs)
    one = Patient(
        number=n,
        story=tell(rng, ids=inputs.ndim == 2, causal=kind.causal, leaks=kind.leaks),
        form=form,
        model=model,
        parts=parts,
        inputs=inputs,
        wanted=wanted,
        pad_value=kind.pad_value,
        side=side,
        causal=kind.causal,
        _kind=kind,
    )
    while not (kind.shows or _moves(one)):
        inputs, wanted = kind.batch(rng, kind.lengths(rng), side)
        one = replace(one, inputs=inputs, wanted=wanted)
    return one


def _moves(one: Patient) -> bool:
    """Whether the fault shows in the patient's batch: the cure gives other answers."""
    return np.abs(one.model(one.inputs) - one.cured(one.inputs, one.wanted)).max() > 1e-3


def _subclassed(kind: Any, parts: SimpleNamespace) -> Any:
    import keras

    class Model(keras.Model):
        def __init__(self):
            super().__init__(name="model")
            for name, part in vars(parts).items():
                setattr(self, name, part)

        def call(self, inputs):
            return kind.forward(self, inputs)

    return Model()


def _source(thing: Any) -> str:
    """The source of a class or function, without its decorators, hints and docstring."""
    text = textwrap.dedent(inspect.getsource(thing))
    text = re.sub(r"^@staticmethod\n|: Any\b| -> Any\b", "", text)
    text = re.sub(r'\n *""".*?"""\n\n?', "\n", text, count=1, flags=re.S)
    return text.strip()
