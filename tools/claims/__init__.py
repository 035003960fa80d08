"""Which claims of the notebooks another Keras changes: `make claims KERAS=…`.

The notebooks store what they show. Here they run in an environment with another Keras, and what
comes out otherwise is told as a reader meets it: the sentence, the old value, the new one.
"""
