"""The probes against the truth, on patients of the ward: `python -m tests.ward [count] [seed]`.

Draws 300 patients anew each time, prints the seed, and exits with 1 if a verdict disagrees.
"""

from __future__ import annotations

import re
import secrets
import sys
import warnings
from collections import Counter

from helpers.patients import patient
from maskprobe import audit_masks, padding_leak

import numpy as np

# How the last line of a trace begins, for each of the four things that can hold.
LAST_LINE = {
    "none made": "No mask is made.",
    "unused": "A mask is made at",
    "dropped": "Mask dropped at: ",
    "used": "The mask arrives and is used at: ",
}


def disagreements(n: int) -> list[str]:
    """Where the verdicts of the probes on patient `n` are not what its truth says."""
    one = patient(n)
    truth, wrong = one.reveal(), []
    with warnings.catch_warnings(action="ignore"):
        leak = padding_leak(one.model, one.inputs, lengths=one.lengths, side=one.side)
        if leak.sound == truth.leaks or leak.rows_depend != (truth.differ == ("rows",)):
            wrong.append(f"padding_leak says {leak.sentence!r}, leaks: {truth.leaks}")
        audit = audit_masks(one.model, one.inputs, wanted=one.wanted, causal=one.causal)
        if bool(audit) != (truth.differ == ()) or audit.differ != truth.differ:
            wrong.append(f"audit_masks says {audit.sentence!r}, differ: {truth.differ}")
        elif truth.differ and not named(audit.where, truth.where):
            wrong.append(f"audit_masks says {audit.where!r}, where: {truth.where}")
        trace = audit.trace.summary()  # what `trace_masks` returns
        if not trace.startswith(LAST_LINE[truth.trace]):
            wrong.append(f"trace_masks says {trace!r}, and it is {truth.trace!r}")
    return [f"patient {n} ({truth.kind}): {what}" for what in wrong]


def named(where: str, places: tuple[str, ...]) -> bool:
    """Whether a place in words, as `"multiply_3"`, names one of these parts."""
    return any(re.search(rf"\b{re.escape(place)}(_\d+)?\b", where) for place in places)


def main(count: int = 300, seed: int | None = None) -> int:
    seed = secrets.randbelow(10**6) if seed is None else seed
    print(f"{count} patients, seed {seed}")
    numbers = np.random.default_rng(seed).choice(10**6, count, replace=False)
    kinds, wrong = Counter(), []
    for n in numbers:
        kinds[patient(int(n)).reveal().kind] += 1
        wrong += disagreements(int(n))
    for kind, times in kinds.most_common():
        print(f"{times:4}  {kind}")
    print(*wrong, f"{len(wrong)} disagreements", sep="\n")
    return int(bool(wrong))


if __name__ == "__main__":
    sys.exit(main(*map(int, sys.argv[1:])))
