"""Other languages: complete, and what comes out when they are built again."""

import json
import re
import warnings
from pathlib import Path

from helpers import explore, from_code, language, plot_mask, plot_masks, states
from helpers.fonts import ALWAYS
from tests import notebooks
from tests.test_house_rules import (  # noqa: F401  what holds for English holds for all
    code,
    notebook,
    prose,
    test_code_fits_the_page,
    test_every_picture_has_a_text,
    test_every_state_of_an_explorer_is_stored,
    test_is_stored_in_normal_form,
    test_links_lead_somewhere,
    test_no_path_of_a_machine,
    test_stored_outputs_are_those_of_one_run_from_top_to_bottom,
)
from tools.translate import LANGUAGES, build, catalogue, font, pictures
from tools.translate import prose as markdown
from tools.translate.edition import DOCUMENTS, ROOT, Edition, english

import numpy as np
import pytest
from fontTools.ttLib import TTFont
from matplotlib.font_manager import fontManager

# Other names for what the glossary calls otherwise, and words that talk down to readers.
NOT_OUR_WORDS_IN_CHINESE = re.compile(
    r"您|令牌|遮盖|遮蔽|遮罩|屏蔽|掩膜|蒙版|泄露|单元格|审计|显然|很简单|只需要?简单"
)
EDITIONS = {name: Edition(name) for name in LANGUAGES}
TRANSLATED = [
    (name, path) for name in LANGUAGES for path in sorted((ROOT / "notebooks" / name).glob("*"))
]
TRANSLATED = [(name, path) for name, path in TRANSLATED if path.suffix == ".ipynb"]
ENGLISH = [path for path in english() if path.suffix == ".ipynb"]


@pytest.fixture(scope="module", params=LANGUAGES)
def edition(request) -> Edition:
    return EDITIONS[request.param]


@pytest.fixture(
    scope="module", params=[p for _, p in TRANSLATED], ids=lambda p: f"{p.parent.name}-{p.stem}"
)
def path(request) -> Path:  # of the house rules
    return request.param


# What is stored


@pytest.mark.parametrize("name", [p.stem for p in english()] + ["helpers", "pictures"])
def test_every_message_is_translated(edition, name):
    found = catalogue.wrong(edition.catalogues[name], name)
    assert not found, f"make translate, then translate in {edition.po(name)}:\n" + "\n".join(found)


def test_building_again_leaves_no_difference(edition):
    changed = [
        path.relative_to(ROOT).as_posix()
        for path, wanted in edition.files().items()
        if not path.exists() or path.read_bytes() != wanted
    ]
    assert not changed, "make translate"


def test_no_notebook_is_left_over(edition):
    stored = {path.name for path in (ROOT / "notebooks" / edition.language).glob("*.ipynb")}
    assert stored == {path.name for path in ENGLISH}


@pytest.mark.parametrize(("name", "path"), TRANSLATED, ids=lambda p: getattr(p, "stem", p))
def test_cells_are_those_of_the_english_notebook(name, path):
    ours, theirs = notebooks.read(path), notebooks.read(notebooks.FOLDER / path.name)
    assert [c.id for c in ours.cells] == [c.id for c in theirs.cells]
    for one, other in zip(ours.cells, theirs.cells):
        assert one.metadata == other.metadata
        if one.cell_type == "code":
            assert one.source == other.source
        else:
            fences = r"(?ms)^```.*?^```"
            assert re.findall(fences, one.source) == re.findall(fences, other.source)


@pytest.mark.parametrize(("name", "path"), TRANSLATED, ids=lambda p: getattr(p, "stem", p))
def test_links_lead_to_pages_and_headings_of_the_language(name, path):
    for source in build.sources(path):
        plain = re.sub(r"(?ms)^```.*?^```|`[^`\n]*`", "", source)
        for target, fragment in re.findall(r"\]\((?!https?:)([^)#\s]*)(?:#([^)\s]*))?\)", plain):
            there = (path.parent / target).resolve() if target else path
            assert there.exists(), target
            if there.suffix == ".ipynb":
                assert there.parent.name == name, f"{target} is not in {name}"
                anchors = [
                    build.anchor(h) for s in build.sources(there) for h in markdown.headings(s)
                ]
                assert not fragment or fragment in anchors, fragment


def test_no_sentence_of_an_explorer_is_english():
    for name, path in TRANSLATED:
        if name == "zh":
            for cell in notebooks.read(path).cells:
                for output in cell.get("outputs", []):
                    stored = output.get("data", {}).get(states.MIME, {"sentences": []})
                    stored = json.loads(stored) if isinstance(stored, str) else stored
                    for sentence in stored["sentences"]:
                        assert re.search(r"[\u4e00-\u9fff]", sentence), f"{path.name}: {sentence}"
                        assert not re.search(r"[\u4e00-\u9fff。][.;]", sentence), sentence


def test_words_are_those_of_the_glossary():
    old = 0  # the word of older books: named once, for who comes from them
    for name, found in EDITIONS["zh"].catalogues.items():
        for said in catalogue.translations(found).values():
            assert not (odd := NOT_OUR_WORDS_IN_CHINESE.findall(said)), f"{name}: {odd} in {said}"
            old += said.count("遮挡")
    assert old <= 1


# How messages are found


@pytest.mark.parametrize("path", english(), ids=lambda path: path.stem)
def test_without_translations_a_cell_stays_as_it_is(path):
    for source in build.sources(path):
        assert markdown.translated(source, lambda message: message) == source


@pytest.mark.parametrize("path", english(), ids=lambda path: path.stem)
def test_every_word_outside_code_is_in_a_message(path):
    for source in build.sources(path):
        rest = markdown.translated(
            source, lambda message: "\n".join("¤" * (message.count("\n") + 1))
        )
        rest = re.sub(r"(?ms)^```.*?^```", "", rest)
        assert not markdown.has_words(rest), rest


def test_a_message_is_a_paragraph_an_item_a_row_a_heading():
    source = "\n".join(
        [
            "## Two *words*",
            "",
            "One",
            "paragraph.",
            "1. first",
            "2. second",
            "   goes on",
            "",
            "> **Predict.** What",
            "> comes?",
            "After it.",
            "",
            "| a | `b` |",
            "|---|---|",
            "| 1 | 2 |",
            "<details><summary>Hint 1.1</summary>",
            "",
            "```python",
            "x = 1  # not a message",
            "```",
            "",
            "</details>",
        ]
    )
    found = ["Two *words*", "One\nparagraph.", "first", "second\n   goes on"]
    found += ["**Predict.** What\ncomes?", "After it.", "a | `b`", "Hint 1.1"]
    assert markdown.translated(source, lambda message: message) == source
    assert markdown.messages(source) == found
    assert markdown.messages(source, comments=True) == [*found, "not a message"]
    upper = markdown.translated(source, str.upper)
    assert "> **PREDICT.** WHAT\n> COMES?" in upper
    assert "<details><summary>HINT 1.1</summary>" in upper
    assert "x = 1  # not a message" in upper


def test_words_in_pictures_are_found():
    found = {text for path in ENGLISH for _, text in pictures.messages(notebooks.read(path))}
    assert "Mask of the padded sentence" in found  # title=
    assert "The first model" in found  # the title of a function in the notebook
    assert "{length} of 8 steps are kept; padding: {padding}." in found  # caption=
    assert "station" in found  # axes
    assert "change" in found  # the scale, in a dict of options
    assert "mask of the first part" in found  # a key of the dict that is drawn
    assert "no padding mask" in found  # a key that is put into one
    assert "padded, declared" in found  # two words, not a tuple of names
    assert not found & {"int32", "Solution", "exercise", "alone"}


# A change in English, and a fault in a translation


def test_a_changed_paragraph_is_named(tmp_path):
    po = tmp_path / "zh" / "01_padding.po"
    po.parent.mkdir()
    place, one, other = "01_padding.ipynb#412f5fc9", "Three sentences share a batch.", "No mask."
    fresh = catalogue.template([(place, one), (place, other)])
    po.write_text(catalogue.updated(po, "zh", fresh), encoding="utf-8")
    catalogue.fill(po, {one: "三个句子在一个批次里。", other: "没有掩码。"})
    assert catalogue.wrong(catalogue.read(po, "zh"), po.stem) == []
    changed = one.replace("Three", "Four")
    fresh = catalogue.template([(place, changed), (place, other)])
    po.write_text(catalogue.updated(po, "zh", fresh), encoding="utf-8")
    (found,) = catalogue.wrong(catalogue.read(po, "zh"), po.stem)
    assert place in found and changed in found and "fuzzy" in found
    stored = catalogue.read(po, "zh")
    assert stored[changed].user_comments == [f"was: {one}"] and stored[changed].string
    assert catalogue.updated(po, "zh", fresh) == po.read_text(encoding="utf-8")  # and stays so
    assert catalogue.translations(stored) == {other: "没有掩码。"}  # the old one is not used
    catalogue.fill(po, {changed: "四个句子在一个批次里。"})
    assert catalogue.wrong(catalogue.read(po, "zh"), po.stem) == []


@pytest.mark.parametrize(
    ("message", "said", "fault"),
    [
        ("`mask_zero` is set", "设置了 `mask_zeros`", "code"),
        ("See [02](02_a.ipynb)", "见 [02](02_b.ipynb)", "links"),
        ("36 of 40 steps", "40 步中有 35 步", "numbers"),
        ("<kbd>Tab</kbd> to a slider", "按 <kbd>Tab 到滑块", "tags"),
        ("one | two", "一", "cells"),
        ("**Kept** it is", "**保留了", "emphasis"),
        ("**Next:** a mask", "**下一个：**掩码", "emphasis"),
        ("A mask, drawn", "一个掩码,画出来", "Western"),
        ("The Keras mask", "Keras掩码", "blank"),
        ("These words are not translated at all", "These words are not translated at all", "it is"),
    ],
)
def test_faults_of_a_translation(message, said, fault):
    (found,) = catalogue.faults(message, said, prose=True)
    assert fault in found


@pytest.mark.parametrize(
    ("message", "said"),
    [
        ("{n} of {all} kept", "保留 {n}"),
        ("{n:.2f} kept", "保留 {n}"),
        ("{n} kept", "保留 {m}"),
        ("{n} kept", "保留 {n"),
    ],
)
def test_placeholders_are_kept(message, said):
    assert any("placeholders" in fault for fault in catalogue.faults(message, said, prose=False))


def test_a_wrong_translation_is_not_written(tmp_path):
    po = tmp_path / "zh" / "01_padding.po"
    po.parent.mkdir()
    fresh = catalogue.template([("a#b", "Keep `x`.")])
    po.write_text(catalogue.updated(po, "zh", fresh), encoding="utf-8")
    before = po.read_bytes()
    for said in ({"Keep `x`.": "保留 `y`。"}, {"Keep `y`.": "保留 `y`。"}):
        with pytest.raises(ValueError, match=r"Keep `x`\."):
            catalogue.fill(po, said)
        assert po.read_bytes() == before


# A third language is a folder of PO files


def mark(message: str) -> str:
    """A translation that cannot be mistaken for English, with all its code and links."""
    return "\n".join(f"⟦{line}⟧" for line in message.split("\n"))


@pytest.fixture(scope="module")
def esperanto(tmp_path_factory) -> Edition:
    folder = tmp_path_factory.mktemp("third")
    first = Edition("eo", translations=folder / "po", root=folder)
    first.update()
    for name, found in first.catalogues.items():
        for entry in found:
            if entry.id:
                one = entry.id if isinstance(entry.id, str) else entry.id[-1]
                said = " | ".join(map(mark, one.split(" | ")))
                entry.string = said if isinstance(entry.id, str) else (said,) * found.num_plurals
        first.po(name).write_text(catalogue.written(found), encoding="utf-8")
    again = Edition("eo", translations=folder / "po", root=folder)
    assert again.update()
    return again


def test_a_third_language_is_complete(esperanto):
    again = Edition("eo", translations=esperanto.translations, root=esperanto.root)
    assert again.update() == []
    for name, found in again.catalogues.items():
        assert not [line for line in catalogue.wrong(found, name) if "missing" in line]


def test_a_third_language_has_the_same_code_and_no_english(esperanto):
    for path in ENGLISH:
        theirs = notebooks.read(path)
        ours = notebooks.read(esperanto.root / "notebooks" / "eo" / path.name)
        for one, other in zip(ours.cells, theirs.cells, strict=True):
            assert one.id == other.id
            if one.cell_type == "code":
                assert one.source == other.source
            else:
                rest = re.sub(r"(?ms)^```.*?^```|(?<=\])\([^)]*\)", "", one.source)
                rest = re.sub(r"⟦.*?⟧", "", rest)
                assert not markdown.has_words(rest), rest
    for name in DOCUMENTS:
        if (ROOT / name).exists():
            text = (esperanto.root / name.replace(".md", ".eo.md")).read_text(encoding="utf-8")
            assert text.startswith("# ⟦")


def test_a_third_language_links_to_its_own_pages(esperanto):
    folder = esperanto.root / "notebooks" / "eo"
    contents = "\n".join(build.sources(folder / "01_padding.ipynb"))
    assert "](00_start_here.ipynb#⟦The-series⟧)" in contents
    start = "\n".join(build.sources(folder / "00_start_here.ipynb"))
    assert "](../../README.eo.md)" in start
    assert "](../../docs/" in start or "docs/" not in start
    readme = (esperanto.root / "README.eo.md").read_text(encoding="utf-8")
    assert "](notebooks/eo/01_padding.ipynb)" in readme
    assert "](CONTRIBUTING.md)" in readme
    assert "jupyter lab notebooks/eo/00_start_here.ipynb" in readme


@pytest.fixture
def speaking(esperanto, monkeypatch):
    monkeypatch.setattr(language._, "folder", esperanto.root / "helpers" / "locale")
    monkeypatch.setenv("MASKS_LANGUAGE", "eo")


def test_pictures_speak_a_third_language(speaking):
    figure = plot_mask([[1, 1, 0]], title="Mask of the padded sentence")
    assert figure.words.startswith("⟦⟦⟦Mask of the padded sentence⟧") or (
        "⟦Mask of the padded sentence⟧" in figure.words
    )
    assert "⟦declared by Embedding⟧" in plot_masks({"declared by Embedding": [[1, 0]]}).words
    assert "not in any notebook" in plot_mask([[1]], title="not in any notebook").words


def test_explorers_speak_a_third_language(speaking):
    def mask_of(length=3, padding="post"):
        return [step < length for step in range(8)]

    explorer = explore(
        mask_of,
        length=(0, 8),
        padding=["post", "pre"],
        caption=lambda shown, length, padding: f"{length} of 8 steps are kept; padding: {padding}.",
    )
    assert explorer.sentence == "⟦3 of 8 steps are kept; padding: ⟦post⟧.⟧"
    assert explorer.controls["length"].description == "⟦length⟧"
    assert explorer.controls["padding"].value == "post"  # what the code gets
    assert explorer.controls["padding"].label == "⟦post⟧"  # what the reader sees


def test_what_is_not_in_the_catalogue_stays_as_it_is(speaking):
    assert from_code.shown("3 of 9 steps are kept; padding: post.") == (
        "3 of 9 steps are kept; padding: post."
    )
    assert from_code.shown("") == ""


def test_english_is_english():
    assert from_code.shown("3 of 8 steps are kept; padding: post.") == (
        "3 of 8 steps are kept; padding: post."
    )


# The font


def cuts() -> dict[str, Path]:
    return {name: font.FOLDER / f"MasksSansSC-{name}.ttf" for name in font.CUTS}


@pytest.mark.parametrize("cut", font.CUTS)
def test_every_character_that_can_be_drawn_is_in_the_font(cut):
    has = set(TTFont(cuts()[cut]).getBestCmap())
    missing = font.characters(font.drawn()) - has
    assert not missing, f"make font: {''.join(map(chr, sorted(missing)))}"


def test_the_font_is_small_and_has_its_licence():
    assert sum(path.stat().st_size for path in cuts().values()) < 1_000_000
    licence = (font.FOLDER / "OFL.txt").read_text(encoding="utf-8")
    assert "SIL Open Font License, Version 1.1" in licence
    reserved = re.search(r"Reserved Font Name '(\w+)'", licence).group(1)
    assert reserved not in font.FAMILY


@pytest.mark.parametrize("system", [True, False], ids=["system fonts", "no system fonts"])
@pytest.mark.parametrize("form", ["png", "pdf", "svg"])
def test_chinese_is_drawn_without_boxes(tmp_path, monkeypatch, system, form):
    ours = [f for f in fontManager.ttflist if f.name in ALWAYS]
    if not system:
        monkeypatch.setattr(fontManager, "ttflist", ours)
    text = "".join(map(chr, sorted(font.characters(font.drawn()))))[:40]
    tokens = [[text[:2], text[2:4], "mask"]]
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # a missing glyph is a warning
        figure = plot_mask([[1, 1, 0]], tokens=tokens, title=text, axes=(text[:3], text[4:8]))
        figure.savefig(tmp_path / f"a.{form}")
    assert (tmp_path / f"a.{form}").stat().st_size > 1000


def test_characters_differ_in_the_picture():
    def pixels(token):
        figure = plot_mask([[1]], tokens=[[token]])
        figure.canvas.draw()
        return np.asarray(figure.canvas.buffer_rgba()).copy()

    one, other = (chr(c) for c in sorted(font.characters(font.drawn()))[-2:])
    assert not np.array_equal(pixels(one), pixels(other)), "both are boxes"


def test_the_bold_cut_is_bold():
    regular, bold = (TTFont(path)["OS/2"].usWeightClass for path in cuts().values())
    assert (regular, bold) == (400, 700)
    assert {f.weight for f in fontManager.ttflist if f.name == font.FAMILY} == {400, 700}
