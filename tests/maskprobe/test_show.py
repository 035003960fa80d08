"""The three masks as text and as HTML."""

import os
from html.parser import HTMLParser

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

from maskprobe.show import Row, html_table, places, text_picture, token_rows

import numpy as np
import pytest

WANTED = np.array([[1, 1, 0, 0], [1, 1, 1, 1]], bool)
MEASURED = np.array([[1, 1, 1, 0], [1, 1, 1, 1]], bool)


def rows(declared=WANTED, missing=""):
    return [Row("wanted", WANTED), Row("declared", declared, missing), Row("measured", MEASURED)]


def test_text_picture():
    assert text_picture(rows(), encoding="utf-8") == (
        "█ kept  ░ masked  ^ masks differ\n"
        "\n"
        "sequence 0\n"
        "wanted    █ █ ░ ░\n"
        "declared  █ █ ░ ░\n"
        "measured  █ █ █ ░\n"
        "              ^\n"
        "\n"
        "sequence 1\n"
        "wanted    █ █ █ █\n"
        "declared  █ █ █ █\n"
        "measured  █ █ █ █"
    )


@pytest.mark.parametrize("encoding", ["ascii", "cp1252", "no-such-encoding"])
def test_where_blocks_cannot_be_written_there_are_other_signs(encoding):
    text = text_picture(rows(), tokens=["猫", "é", "c", "d"], encoding=encoding)
    assert "wanted    # # . .\n" in text and "█" not in text
    if encoding != "no-such-encoding":
        text.encode(encoding)


def test_the_encoding_is_that_of_the_output(monkeypatch):
    class Old:
        encoding = "cp437"

    monkeypatch.setattr("sys.stdout", Old())
    assert "█" in text_picture(rows())  # cp437 has the blocks
    Old.encoding = "latin-1"
    assert "█" not in text_picture(rows())
    Old.encoding = None
    text_picture(rows()).encode("ascii")


def test_columns_stand_under_their_tokens_also_wide_ones():
    text = text_picture(rows(), tokens=["the", "猫", "", "\n"], encoding="utf-8")
    lines = text.splitlines()
    assert lines[3:7] == [
        "          the 猫   ·",
        "wanted    █   █  ░ ░",
        "declared  █   █  ░ ░",
        "measured  █   █  █ ░",
    ]


def test_a_missing_mask_is_said_in_words():
    text = text_picture(rows(None, "(no mask: every step is kept)"), encoding="utf-8")
    assert "declared  (no mask: every step is kept)\n" in text
    table = html_table(rows(None, "(no <mask>)"))
    assert "<td colspan='4'>(no &lt;mask&gt;)</td>" in table


def test_long_sequences_are_broken_and_many_are_cut_short():
    wanted = np.ones((40, 200), bool)
    measured = wanted.copy()
    measured[33, 150] = False
    text = text_picture([Row("wanted", wanted), Row("measured", measured)], encoding="utf-8")
    lines = text.splitlines()
    assert max(map(len, lines)) <= 76 and len(lines) <= 100
    assert "sequence 33" in lines  # the one with a difference is shown
    assert text.count("^") == 2  # legend and place
    assert text.endswith("more sequences")
    assert sum(line.count("█") for line in lines if line.startswith("wanted")) % 200 == 0


class Table(HTMLParser):
    def __init__(self):
        super().__init__()
        self.open, self.seen, self.attributes, self.text, self.cells = [], set(), set(), "", []

    def handle_starttag(self, tag, attrs):
        self.open.append(tag)
        self.seen.add(tag)
        self.attributes |= {name for name, _ in attrs}
        if tag == "tr":
            self.cells.append([])

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data
        if self.cells and ({"td", "th"} & set(self.open)):
            self.cells[-1].append(data)


def test_html_survives_a_sanitiser_and_says_all_without_colour():
    parser = Table()
    parser.feed(html_table(rows(), tokens=["<script>", "&amp;", "c", "d"]))
    assert parser.open == []
    assert parser.seen <= {"table", "caption", "thead", "tbody", "tr", "th", "td", "b"}
    assert parser.attributes <= {"scope", "colspan"}  # no style, no class: GitHub drops them
    assert "<script>" in parser.text and "&amp;" in parser.text  # as data
    assert "■ kept, □ masked; bold where masks differ" in parser.text
    assert ["0", "measured", "■", "■", "■", "□"] in parser.cells
    assert ["0", "wanted", "■", "■", "□", "□"] in parser.cells
    assert html_table(rows()).count("<b>") == 3  # one column, three masks


def test_tokens_that_do_not_fit_are_refused_in_words():
    with pytest.raises(ValueError, match="expected 4 tokens, or 2 lists of 4"):
        token_rows(["a", "b"], 2, 4)
    assert token_rows([b"a", 3, "c", None], 2, 4) == [["a", "3", "c", "None"]] * 2


def test_places_in_words():
    where = np.zeros((5, 9), bool)
    where[0, [2]] = where[1, [0, 3, 4]] = where[2] = where[3, 1] = True
    assert places(where) == (
        "sequence 0, step 2; sequence 1, steps 0, 3 and 4; sequence 2, steps 0, 1, 2 … "
        "(9 in all); and 1 more"
    )
