"""Stands in for another Keras, for `tests/test_claims.py`: run before a notebook.

A mean that no longer hears of its mask, and says so each time on stderr.
"""

import sys

import keras


def deaf(self, inputs, mask=None):
    print("keras/src/pooling.py:7: UserWarning: The mask is ignored.", file=sys.stderr)
    return as_it_was(self, inputs)


as_it_was = keras.layers.GlobalAveragePooling1D.call
keras.layers.GlobalAveragePooling1D.call = deaf
