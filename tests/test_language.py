"""Whatever a reader sees goes through `_`, so that a catalogue can say it in another language."""

from __future__ import annotations

import ast
import gettext
import os
import re
from collections.abc import Iterator
from pathlib import Path
from string import Formatter

import helpers
from helpers.atlas.record import Record
from helpers.language import Words, _, language
from helpers.patients.stories import tell
from maskprobe import words
from tools.translate import strings

import numpy as np
import pytest
from babel.messages import Catalog
from babel.messages.mofile import write_mo

TREES = {
    path.relative_to(strings.ROOT).as_posix(): ast.parse(path.read_text(encoding="utf-8"))
    for path in strings.files()
}
MARKS = ("_", "N_", "_n")
# Words with a blank between them, or with a value (0): what a reader would read.
PROSE = re.compile(r"[^\W\d_]{2,}[,:;]? (?:[a-z]{2,}|NaN|[*({“])|\b(?:is|has|at|expected) 0")
# No words for readers, though they look so: (file, what the literal begins with).
EXCUSED = {
    ("helpers/atlas/forms.py", ""): "forms are named as they are called",
    ("helpers/atlas/measure.py", "in, second"): "a key of the data",
    ("helpers/exercises/engine.py", "Arguments received by"): "of TensorFlow's messages",
    ("helpers/exercises/engine.py", "no output"): "raised and caught by the engine",
    ("helpers/exercises/notebook_08.py", "x"): "a document",
    ("helpers/exercises/notebook_08.py", "."): "a document",
    ("helpers/exercises/notebook_10.py", "a mask of shape"): "raised in a layer, and quoted",
    ("helpers/exercises/notebook_10.py", "a layer that gives NaN"): "how a key begins",
    ("helpers/exercises/notebook_10.py", "sentences of which"): "how a key begins",
    ("helpers/exercises/notebook_10.py", "no mask"): "a name of a record",
    ("helpers/exercises/notebook_10.py", "half measured"): "a name of a record",
    ("helpers/exercises/notebook_10.py", "not measured"): "a name of a record",
    ("helpers/exercises/notebook_10.py", "falsely warned"): "a name of a record",
    ("helpers/exercises/notebook_10.py", "made up"): "a group of records",
    ("helpers/fonts.py", "sans serif"): "an option",
    ("helpers/grade/inside.py", "builtins collections"): "names of modules",
    ("helpers/grade/kernels.py", "(lambda box"): "code",
    ("helpers/grade/kernels.py", "\\("): "a pattern",
    ("helpers/grade/kernels.py", "look at it"): "an outcome in the table of marks",
    ("helpers/grade/kernels.py", "not run"): "an outcome in the table of marks",
    ("helpers/grade/series.py", "get_objects"): "names in code",
    ("helpers/from_code.py", "templates of sentences"): "a key of the catalogue",
    ("helpers/heatmaps.py", "upper center"): "an option",
    ("helpers/heatmaps.py", "lower center"): "an option",
    ("helpers/predict.py", "max-content repeat"): "an option",
    ("helpers/sliders.py", "row wrap"): "an option",
    ("maskprobe/running.py", ""): "of the messages of frameworks",
    ("maskprobe/trace.py", "Exception encountered"): "of Keras' message",
    # Of an audit and of a trace: data that serve as keys.
    ("maskprobe/advice.py", ""): "",
    ("maskprobe/audit.py", "not measured"): "",
    ("maskprobe/audit.py", "rows depend"): "",
    ("maskprobe/beside.py", "not measured"): "",
    ("maskprobe/trace.py", "none made"): "",
    ("maskprobe/verdict.py", "no mask"): "",
    ("maskprobe/verdict.py", "real steps masked"): "",
    ("maskprobe/verdict.py", "rows depend"): "",
    ("maskprobe/verdict.py", "wanted not declared"): "",
    ("helpers/patients/faults_in_the_data.py", "none made"): "",
}


def _is_string(node: ast.AST) -> bool:
    return isinstance(node, ast.JoinedStr) or (
        isinstance(node, ast.Constant) and isinstance(node.value, str)
    )


def _text(node: ast.AST) -> str:
    """A literal without its code spans and without what is filled in."""
    parts = node.values if isinstance(node, ast.JoinedStr) else [node]
    text = "".join(part.value if isinstance(part, ast.Constant) else "0" for part in parts)
    return re.sub(r"`[^`]*`|<[^>]*>|\w+\([^()]*\)", "0", text)


def _is_mark(node: ast.AST, marks: tuple[str, ...] = MARKS) -> bool:
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in marks


MARKED = {
    arg.value
    for tree in TREES.values()
    for node in ast.walk(tree)
    if _is_mark(node)
    for arg in node.args
    if isinstance(arg, ast.Constant)
}


def _unmarked(tree: ast.AST) -> Iterator[ast.AST]:
    """The literals outside `_`, `N_` and `_n` that read like prose, or are raised.

    Left out are docstrings, what is looked up or compared, and what is marked somewhere else:
    there it is shown, here it is a key.
    """
    skipped = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr) and _is_string(node.value):
            skipped.add(node.value)  # a docstring
        elif _is_mark(node):
            skipped.update(node.args)
        elif isinstance(node, ast.Subscript):
            skipped.add(node.slice)
        elif isinstance(node, ast.Compare):
            skipped.update({node.left, *node.comparators})
        elif isinstance(node, ast.JoinedStr):
            skipped.update(part for part in node.values if isinstance(part, ast.Constant))
    raised = {
        arg
        for node in ast.walk(tree)
        if isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call)
        for arg in node.exc.args
    }
    for node in ast.walk(tree):
        if not _is_string(node) or node in skipped or getattr(node, "value", None) in MARKED:
            continue
        read = re.compile("[A-Za-z]{2}") if node in raised else PROSE
        if read.search(_text(node)):
            yield node


@pytest.mark.parametrize("path", TREES)
def test_words_for_readers_go_through_the_catalogue(path):
    found = []
    for node in _unmarked(TREES[path]):
        text = _text(node)
        if not any(path == file and text.startswith(head) for file, head in EXCUSED):
            found.append(f"{path}:{node.lineno}: {text!r}")
    assert not found, "not marked with `_`, `_n` or `N_`:\n" + "\n".join(found)


def test_every_excuse_is_needed():
    for file, head in EXCUSED:
        assert any(_text(n).startswith(head) for n in _unmarked(TREES[file])), (file, head)


def test_an_unmarked_message_is_found():
    code = """
def judge(x):
    "A docstring may say what it wants."
    if x == "the end of it":
        raise ValueError("wrong")
    return f"{x} of them are wrong." if x else _("All of them are right.")
"""
    assert [_text(node) for node in _unmarked(ast.parse(code))] == ["0 of them are wrong.", "wrong"]


@pytest.mark.parametrize("path", TREES)
def test_a_message_is_a_literal_that_gets_its_values_by_name(path):
    for node in ast.walk(TREES[path]):
        if not _is_mark(node):
            continue
        given = [k.arg for k in node.keywords]
        for arg in node.args[: 2 if node.func.id == "_n" else 1]:
            place = f"{path}:{node.lineno}"
            assert not isinstance(arg, ast.JoinedStr | ast.BinOp), f"{place}: no literal"
            if not isinstance(arg, ast.Constant):
                continue  # marked by `N_` elsewhere
            message = arg.value
            if message in ("; ", ", ", ": "):
                continue  # what joins the things of a list
            assert message == message.strip(), f"{place}: blanks at the ends of {message!r}"
            if node.func.id == "N_" or None in given:
                continue
            if given or node.func.id == "_n":
                fields = {name for _text, name, *_rest in Formatter().parse(message) if name}
                extra = {"n"} if node.func.id == "_n" else set()
                assert fields - extra <= {*given} <= fields | extra, f"{place}: {fields} {given}"
            assert "TODO" not in message


@pytest.mark.parametrize("path", TREES)
def test_no_function_hides_the_translation_behind_a_variable(path):
    """`for _ in …` makes `_` a variable of its function, in which `_("…")` fails."""
    for function in ast.walk(TREES[path]):
        if not isinstance(function, ast.FunctionDef | ast.Lambda):
            continue
        own, stack = [], [function.args, *([function.body] if isinstance(function, ast.Lambda)
                                          else function.body)]  # fmt: skip
        while stack:
            node = stack.pop()
            scopes = (ast.FunctionDef, ast.Lambda, ast.ListComp, ast.SetComp, ast.DictComp,
                      ast.GeneratorExp)  # fmt: skip
            if not isinstance(node, scopes):
                own.append(node)
                stack += ast.iter_child_nodes(node)
        bound = any(
            (isinstance(n, ast.Name) and n.id == "_" and isinstance(n.ctx, ast.Store))
            or (isinstance(n, ast.arg) and n.arg == "_")
            for n in own
        )
        assert not (bound and any(_is_mark(n, ("_",)) for n in own)), f"{path}:{function.lineno}"


def test_every_marked_message_is_found_by_the_extraction():
    found = {message for _path, message, _comments in strings.messages()}
    for path, tree in TREES.items():
        for node in ast.walk(tree):
            if _is_mark(node) and isinstance(node.args[0], ast.Constant) and node.args[0].value:
                message = node.args[0].value
                if node.func.id == "_n":
                    message = (message, node.args[1].value)
                assert message in found, f"{path}:{node.lineno}: {message!r}"


# --- the language ------------------------------------------------------------------------------


def test_the_language_is_that_of_the_variable_or_of_the_folder(tmp_path, monkeypatch):
    (tmp_path / "notebooks" / "zh").mkdir(parents=True)
    monkeypatch.delenv("MASKS_LANGUAGE", raising=False)
    monkeypatch.delenv("JPY_SESSION_NAME", raising=False)
    of_the_folder = words._language_of_the_folder
    monkeypatch.chdir(tmp_path)
    assert of_the_folder() == "en"
    monkeypatch.chdir(tmp_path / "notebooks")
    assert of_the_folder() == "en"
    monkeypatch.chdir(tmp_path / "notebooks" / "zh")
    assert of_the_folder() == "zh"
    monkeypatch.chdir(tmp_path)  # a server whose kernels start at its root
    monkeypatch.setenv("JPY_SESSION_NAME", str(tmp_path / "notebooks" / "zh" / "01.ipynb"))
    assert of_the_folder() == "zh"
    monkeypatch.setenv("JPY_SESSION_NAME", str(tmp_path / "notebooks" / "01.ipynb"))
    assert of_the_folder() == "en"
    monkeypatch.setattr(words, "_LANGUAGE_OF_THE_FOLDER", "zh")
    assert language() == "zh"
    monkeypatch.setenv("MASKS_LANGUAGE", "en")
    assert language() == "en"


def _catalogues(folder: Path, said) -> None:
    """Catalogues of both packages in the language `eo`, in which `said` says each message."""
    spoken = Catalog("eo")
    for message in strings.template():
        if message.id:
            several = isinstance(message.id, tuple)
            spoken.add(message.id, tuple(map(said, message.id)) if several else said(message.id))
    for domain in strings.PACKAGES:
        path = folder / domain / "eo" / "LC_MESSAGES" / f"{domain}.mo"
        path.parent.mkdir(parents=True)
        with path.open("wb") as file:
            write_mo(file, spoken)


@pytest.fixture
def speak(tmp_path, monkeypatch):
    """Makes both packages say each message as a function has it."""

    def speak(said) -> None:
        _catalogues(tmp_path, said)
        for one in (_, words._):
            monkeypatch.setattr(one, "folder", tmp_path / one.domain)
        monkeypatch.setenv("MASKS_LANGUAGE", "eo")

    return speak


def test_a_mistake_in_a_translation_is_answered_in_english(speak, tmp_path, monkeypatch):
    speak(lambda message: "{nobody} " + message + "{" * ("axis" in message))
    assert _("after {leak:g}", leak=1.5) == "after 1.5"
    assert _("{axis} {label}", axis="a", label="b") == "a b"
    assert helpers.language._n("{n} query", "{n} queries", 2) == "2 queries"
    assert helpers.language._n("{n} query", "{n} queries", 1) == "1 query"
    broken = tmp_path / "broken" / "eo" / "LC_MESSAGES" / "helpers.mo"
    broken.parent.mkdir(parents=True)
    broken.write_bytes(b"this is no catalogue")
    assert Words(tmp_path / "broken", "helpers")("no") == "no"
    monkeypatch.setenv("MASKS_LANGUAGE", "tlh")  # nobody has translated it
    assert _("no") == "no"


def test_braces_stand_for_themselves_where_nothing_is_filled_in(speak):
    speak(str.upper)
    assert _("The names are {a}.") == "The names are {a}.", "not in the catalogue"
    assert "`{24: CURE_24}`" in _(
        "A dict is asked for, from patients to their cures: `{24: cure_24}`."
    )


# --- everything comes out in another language ---------------------------------------------------

_LETTERS = str.maketrans(
    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ",
    "αβγδεζηθικλμνξοπρστυφχψωабвгдежзийклмнопрстуфхцчшщьэюя"[:52],
)


def strange(message: str) -> str:
    """A message in letters of another alphabet, but for its code and its placeholders."""
    parts = re.split(r"(\{\{.*?\}\}|\{[^{}]*\}|`[^`]*`)", message)
    return "".join(part if i % 2 else part.translate(_LETTERS) for i, part in enumerate(parts))


def _english(text: str) -> list[str]:
    """What is left in English in a text in the strange language: words in a row, or one alone."""
    text = re.sub(r"`[^`]*`|<[^>]*>|&\w+;|[\w.]*[_.=(][\w.]*|\[[^]]*\]", " ", text)
    return re.findall(r"\b[A-Z]?[a-z]{2,}\b", text)


IDS = np.array([[3, 1, 4, 1], [5, 9, 0, 0], [2, 6, 5, 0]])


def test_every_kind_of_output_speaks_the_language(speak):
    speak(strange)
    mask = [True, True, True, True, False, False]
    assert _english(str(helpers.check("0.1", mask[::-1]))) == []
    assert _english(str(helpers.check("0.1", mask))) == []
    assert _english(str(helpers.check("0.1", ...))) == []
    assert _english(str(helpers.check("7.9", 3))) == []
    verdict = helpers.check("1.1", lambda lengths, steps, padding: np.ones((len(lengths), steps)))
    assert _english(verdict._repr_mimebundle_()["text/html"].split("<img")[0]) == []
    assert not verdict

    figure = helpers.plot_mask(IDS != 0)
    assert _english(figure.words) == []
    (ax,), (legend,) = figure.axes, figure.legends
    drawn = [ax.get_xlabel(), ax.get_ylabel(), *(text.get_text() for text in legend.get_texts())]
    assert len(drawn) == 4 and all(map(len, drawn)) and _english(" ".join(drawn)) == []
    weights = np.full((2, 2), 0.5)
    figure = helpers.plot_weights(weights, mask=[[True, False], [True, True]])
    drawn = [text.get_text() for legend in figure.legends for text in legend.get_texts()]
    assert _english(" ".join([figure.words, *drawn])) == []
    figure = helpers.plot_three_masks([1, 1, 0], None, [1, 1, 1])
    labels = " ".join(tick.get_text() for tick in figure.axes[0].get_yticklabels())
    assert _english(figure.words) == _english(labels) == []

    explorer = helpers.explore(lambda n=2: [i < n for i in range(4)], n=(0, 4))
    assert _english(explorer.sentence) == []
    explorer = helpers.explore(lambda n=2: [1, 1, 0] if n < 3 else 1 / 0, n=(0, 4))
    explorer.controls["n"].value = 4
    said = explorer._words.value
    assert _english(said.replace(explorer.problem, "")) == [] and "ZeroDivisionError" in said

    grid = helpers.predict_mask([[1, 1, 0]], tokens=["a", "b", ""])
    grid.check.click()
    shown = [grid.verdict, grid.check.description, grid.cells[0].tooltip]
    assert all(shown) and _english(" ".join(shown)) == []
    assert _english(grid._repr_mimebundle_()[0]["text/plain"]) == []

    record = Record("GRU", "recurrent", (), "consumes, passes on", "as it came", True, False, 0.5,
                    None, "updates itself: padding counts", "reads the padding", True,
                    note="its own zeros count as real steps; leak not measured: x")  # fmt: skip
    assert _english(str(record)) == _english(record.sentence) == []
    story = tell(np.random.default_rng(1), ids=True, causal=False, leaks=True)
    assert story and _english(story) == []

    with pytest.raises(ValueError) as error:
        helpers.plot_mask([0.5, 1])
    assert _english(str(error.value).replace("plot_weights", "")) == []


def test_every_kind_of_measurement_speaks_the_language(speak):
    speak(strange)

    def mean(ids):
        return ids.mean(axis=1, keepdims=True).astype("float32")

    leak = helpers.padding_leak(mean, IDS)
    assert _english(leak.sentence) == [] and not leak.sound
    audit = helpers.audit_masks(mean, IDS)
    assert _english(str(audit)) == _english(audit._repr_html_()) == []
    assert audit.cause == "unknown" and audit.differ == ("wanted", "measured"), "data stay English"
    for wrong in ({"side": "left"}, {"lengths": [9, 9, 9]}, {"wanted": IDS == 9}):
        with pytest.raises(ValueError) as error:
            helpers.padding_leak(mean, IDS, **wrong)
        assert _english(re.sub(r'"\w+"', "", str(error.value))) in ([], ["left"])

    import keras

    layers = [keras.layers.Embedding(10, 4, mask_zero=True, name="e"), lambda x: x * 2,
              keras.layers.GRU(3, name="g")]  # fmt: skip
    inputs = keras.Input((None,), dtype="int32", name="i")
    x = inputs
    for layer in layers:
        x = layer(x)
    model = keras.Model(inputs, x, name="m")
    trace = helpers.trace_masks(model, IDS)
    names = {"multiply", "inputs", "output", "sequence", "Embedding", "Multiply"}
    assert {*_english(str(trace))} <= names and trace.status == "dropped"
    assert [row.role for row in trace][:1] == ["creates"], "data stay English"
    audit = helpers.audit_masks(model, IDS)
    assert {*_english(str(audit))} <= names and audit.cause == "dropped"


def test_the_catalogues_of_the_project_can_be_read():
    for domain in strings.PACKAGES:
        for path in (strings.ROOT / domain / "locale").glob("*/LC_MESSAGES/*.mo"):
            with path.open("rb") as file:
                assert gettext.GNUTranslations(file)
            assert path.stem == domain and path.is_relative_to(os.fspath(strings.ROOT))
