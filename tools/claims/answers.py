"""What the checks say of every known answer in this environment: `python -m tools.claims.answers`.

Prints one JSON line: for each answer its exercise, its name, whether it is a right one, what the
message of a wrong one must say, the outcome and the message.
"""

from __future__ import annotations

import json
import re
import sys
import warnings

from helpers import check
from tests.answers import RIGHT, WRONG


def verdicts(numbers: list[str]) -> list[dict]:
    """The verdict on every answer to the exercises of the notebooks `numbers` (`["04"]`)."""
    found = []
    for right, answers in ((True, RIGHT), (False, WRONG)):
        for number, named in answers.items():
            if f"{int(number.split('.')[0]):02}" not in numbers:
                continue
            for name, answer in named.items():
                answer, pattern = (answer, "") if right else answer
                verdict = check(number, answer)
                found.append(
                    {
                        "number": number,
                        "name": name,
                        "right": right,
                        "pattern": pattern,
                        "outcome": verdict.outcome,
                        "message": verdict.message,
                        "said": not pattern or bool(re.search(pattern, verdict.message)),
                    }
                )
    return found


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    print(json.dumps(verdicts(sys.argv[1:]), ensure_ascii=True))
