"""`check("1.1", answer)`: is the answer to an exercise right, and if not, what is wrong with it?

The judges of each notebook's exercises are in `notebook_NN.py`, what they share in `engine.py`.
"""

from helpers.exercises.engine import Verdict, check

__all__ = ["Verdict", "check"]
