"""Marks for a class: `python -m helpers.grade FOLDER_OR_NOTEBOOKS… > marks.csv`.

Each submitted notebook runs in a kernel of its own. Where a check cell stands in the original, the
answer is judged by our check, not by what the submission has there (`inside.py`). `series.py` knows
which notebook of the series a submission is, `kernels.py` runs it within its limits.
"""
