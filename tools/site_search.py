"""Search in Chinese on the published pages.

Sphinx' own search for Chinese finds no Chinese word without a dictionary of 19 MB, and none that
the reader writes together with the next one with it. Here every two neighbouring characters are
a word of the index, and of the question.
"""

from __future__ import annotations

import re

from sphinx.search.zh import SearchChinese

_HAN = re.compile(r"[\u3400-\u9fff]+")


def pairs(text: str) -> list[str]:
    """Every two neighbouring Chinese characters of `text`; one that stands alone, alone."""
    runs = _HAN.findall(text)
    return [run[i : i + 2] for run in runs for i in range(max(1, len(run) - 1))]


class ChinesePairs(SearchChinese):
    """Search language for Chinese; `split` and `splitQuery` must cut alike."""

    language_name = "English"  # the script's stemmer is that of English, for the Latin words
    js_splitter_code = r"""
var splitQuery = (query) =>
  (query.match(/[\u3400-\u9fff]+|(?:(?![\u3400-\u9fff])[\p{Letter}\p{Number}_])+/gu) || []).flatMap(
    (part) =>
      /[\u3400-\u9fff]/.test(part)
        ? Array.from({ length: Math.max(1, part.length - 1) }, (_, i) => part.slice(i, i + 2))
        : [part],
  );
"""

    def split(self, input: str) -> list[str]:
        latin = self.latin1_letters.findall(input)
        self.latin_terms.update(latin)
        return pairs(input) + latin

    def word_filter(self, stemmed_word: str) -> bool:
        return bool(_HAN.match(stemmed_word)) or super().word_filter(stemmed_word)
