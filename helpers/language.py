"""The messages of the teaching side in the language of the reader; see `maskprobe.words`."""

from pathlib import Path

from maskprobe.words import N_, Words, language

__all__ = ["N_", "_", "_n", "language"]

_ = Words(Path(__file__).with_name("locale"), "helpers")
_n = _.plural
