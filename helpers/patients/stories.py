"""What owners tell: true, in the first person, and no diagnosis."""

from __future__ import annotations

from helpers.language import N_, _

import numpy as np

_TEXTS = [
    N_("I score film reviews, one number each."),
    N_("I sort the tickets of our help desk."),
    N_("I read weather reports and guess the mood of the writer."),
    N_("I rate the answers in a quiz for schools."),
    N_("I look for complaints among letters to a newspaper."),
    N_("I grade recipes by how hard they are."),
]
_SERIES = [
    N_("I read the tide at three harbours."),
    N_("I watch the heartbeat of sleeping patients."),
    N_("I forecast the yield of a solar roof from the days before."),
    N_("I follow buses through the town and guess how late they will be."),
    N_("I listen to a bearing and say when it will have to be changed."),
    N_("I measure the rain in my garden, with holidays in between."),
]
_CAUSAL = [
    N_("I finish sentences: each word is guessed from the words before it."),
    N_("I write small poems, one word after the other, and no word may peek at a later one."),
]
_LEAKY = [
    N_(
        "One row gets one answer by itself and another in a batch, and I cannot say which is right."
    ),
    N_("When I make the batches larger, the scores of single rows move a little."),
    N_("My colleague fills her batches to another length than I do. We never agree."),
    N_("I sorted the rows by length to be faster, and the validation score changed."),
]
_NEUTRAL = [
    N_("Training went well; in use it is worse than I had hoped."),
    N_("I copied the layers from a tutorial and changed what I had to."),
    N_("Keras has never raised an error. Is that good news?"),
    N_("It was rebuilt for Keras 3 last month, and I would like a second opinion."),
    N_("The loss goes down. I should still sleep better if somebody looked at it."),
    N_("Before it goes to the customer, please look at its masks."),
    N_("Something is odd with the short rows, I think, but I may imagine it."),
]


def tell(rng: np.random.Generator, *, ids: bool, causal: bool, leaks: bool) -> str:
    """The owner's story: what the model is for, and why it was brought in.

    Args:
        rng: Draws the sentences.
        ids: Whether the model reads ids, rather than measurements.
        causal: Whether no step may see a later one: its owner says so.
        leaks: Whether answers depend on the padding. Half of those owners have noticed.
    """
    work = _CAUSAL if causal else _TEXTS if ids else _SERIES
    noticed = leaks and rng.random() < 0.5
    work, worry = rng.choice(work), rng.choice(_LEAKY if noticed else _NEUTRAL)
    return f"{_(str(work))} {_(str(worry))}"
