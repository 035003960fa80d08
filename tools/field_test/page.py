"""From the data to the page: `docs/field_test.md`."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

from tools.field_test.explained import EXPLAINED, explanation, kind_of
from tools.field_test.tutorials import TUTORIALS

PAGE = Path(__file__).parents[2] / "docs" / "field_test.md"
WORDS = {
    "fault": "a fault", "design": "by design", "documented": "documented",
    "positions": "positions", "open": "not understood yet",
}  # fmt: skip
QUESTIONS = ("after", "before", "skipping", "mates", "bfloat16")
KINDS = {
    "sound": "sound", "no mask": "no mask is meant", "mask fails": "the mask does not work",
    "loss": "a number counts padding",
}  # fmt: skip


def write(data: dict[str, Any]) -> None:
    PAGE.write_text(page(data), encoding="utf-8")


def page(data: dict[str, Any]) -> str:
    """The page, in Markdown."""
    rows, tutorials = data["rows"], data["tutorials"]
    parts = [HEAD.format(**_counts(data)), _versions(data)]
    for library in ("KerasHub", "Transformers"):
        mine = [row for row in rows if row["library"] == library]
        suffix = "Backbone" if library == "KerasHub" else "Model"
        parts += [f"## {library}\n", f"Names without `{suffix}` at their end.\n"]
        parts += [table(mine, library), "\n### Why\n", *_reasons(library, mine)]
    parts += [TUTORIALS_HEAD, tutorial_table(tutorials), "\n### Each in words\n"]
    parts += [_in_words(found) for found in tutorials]
    parts.append(TAIL)
    return "\n".join(parts)


def _counts(data: dict[str, Any]) -> dict[str, Any]:
    rows = data["rows"]
    models = {(row["library"], row["model"]) for row in rows}
    leaking = [row for row in rows if not (row.get("after") or {}).get("sound", True)]
    names = sorted({f"{row['library']}'s {row['model']}" for row in leaking})
    kinds = Counter(kind_of(row, "after") for row in leaking)
    mended = [t for t in data["tutorials"] if t["kind"] in ("mask fails", "loss")]
    return {
        "date": data["date"],
        "hub": sum(library == "KerasHub" for library, _ in models),
        "hf": sum(library == "Transformers" for library, _ in models),
        "tutorials": len(data["tutorials"]),
        "leaking": len(names),
        "kinds": ", ".join(f"{n} {WORDS[kind]}" for kind, n in kinds.most_common()),
        "mended": len(mended),
    }


def _versions(data: dict[str, Any]) -> str:
    names = {
        "keras-hub": "KerasHub", "keras": "Keras", "tensorflow": "TensorFlow",
        "tensorflow-cpu": "TensorFlow", "transformers": "Transformers", "torch": "PyTorch",
        "numpy": "NumPy",
    }  # fmt: skip
    said = ", ".join(f"{names[name]} {version}" for name, version in data["versions"].items())
    return f"Measured on {data['date']} with {said}, on a CPU.\n"


def cell(row: dict[str, Any], question: str) -> str:
    """What a column says of a row."""
    found = row.get(question)
    if row.get("failed") or (found and "failed" in found):
        why = row.get("failed") or found["failed"]
        if why.startswith("not asked"):
            return "–"
        known = explanation(row, question)
        return f"error, {known.kind}" if known else "error"
    if found is None:
        return "–"
    if found["sound"] is None:
        return "cannot be told"
    if found["sound"]:
        return "sound"
    if question == "mates":
        return f"**{found['share']:.2g}**"
    return f"**{found['share']:.2g}** {kind_of(row, question)}"


def sees(row: dict[str, Any]) -> str:
    """What a step sees, in words."""
    found = row.get("sees") or {}
    if "pairs" not in found:
        known = explanation(row, "sees")
        refused = f"error, {known.kind}" if known else "error"
        return "–" if found.get("failed", "not asked").startswith("not asked") else refused
    later, earlier, pairs = found["later"], found["earlier"], found["pairs"]
    if later == earlier == 0:
        return "itself"
    if later == 0:
        return "earlier" if earlier == pairs else "some earlier"
    return "all" if later == earlier == pairs else "around it"


def table(rows: list[dict[str, Any]], library: str) -> str:
    lines = [
        "| model | after | before | before, skipped | batch | bfloat16 | sees |",
        "|---|---|---|---|---|---|---|",
    ]
    for row in sorted(rows, key=lambda row: (row["kind"], row["model"].lower(), row["part"])):
        name, comma, special = row["model"].partition(", ")
        name = name.removesuffix("Backbone" if library == "KerasHub" else "Model")
        name += f"{comma}{special}" + (f", {row['part']}" if row["part"] else "")
        answers = [cell(row, question) for question in QUESTIONS]
        answers[3] = "no" if answers[3] == "sound" else answers[3]
        lines.append(f"| {name} | {' | '.join(answers)} | {sees(row)} |")
    return "\n".join(lines) + "\n"


def _reasons(library: str, rows: list[dict[str, Any]]) -> list[str]:
    texts = []
    for found in EXPLAINED:
        names = {row["model"].partition(", ")[0] for row in rows}
        if found.library != library or not names & set(found.models):
            continue
        models = ", ".join(f"`{name}`" for name in found.models)
        models += f", {found.special}" if found.special else ""
        text = f"**{models}: {WORDS[found.kind]}.** {found.why} *How sure:* {found.sure} "
        text += f"*How to live with it:* {found.live}"
        if found.report:
            text += f" *To send:* [{found.report.removesuffix('.md')}](upstream/{found.report})."
        texts.append(text + "\n")
    moved = sorted({r["model"] for r in rows if _only_positions(r)}, key=str.lower)
    if moved:
        ids = "the positions skip the padding" if library == "Transformers" else (
            "their table of positions is set to zero; they take no position ids"
        )  # fmt: skip
        texts.append(
            f"**Positions.** {', '.join(f'`{name}`' for name in moved)}: padding in front moves "
            f"their positions. They are sound once {ids}"
            + ("" if library == "KerasHub" else ", or, where they take no position ids, once "
               "their table of positions is set to zero")
            + ". *How to live with it:* pad behind"
            + ("" if library == "KerasHub" else ", or give `position_ids`")
            + ".\n"
        )  # fmt: skip
    unclear = sorted({r["model"] for r in rows for q in QUESTIONS if _unclear(r, q)})
    if unclear:
        named = ", ".join(f"`{name}`" for name in unclear)
        texts.append(f"**Not understood yet.** {named}.\n")
    failed = [(r["model"], q, (r.get(q) or r)["failed"]) for r in rows for q in QUESTIONS
              if "failed" in (r.get(q) or {}) or (r.get("failed") and q == "after")]  # fmt: skip
    seen: set[tuple[str, str]] = set()
    for model, _, why in failed:
        if not why.startswith("not asked") and (model, why[:60]) not in seen:
            seen.add((model, why[:60]))
            texts.append(f"*{model}* says: {_escaped(why)}\n")
    return texts


def _only_positions(row: dict[str, Any]) -> bool:
    before = row.get("before") or {}
    return before.get("sound") is False and kind_of(row, "before") == "positions" and (
        explanation(row, "before") is None
    )  # fmt: skip


def _unclear(row: dict[str, Any], question: str) -> bool:
    found = row.get(question) or {}
    known = explanation(row, question) or (question == "mates" and explanation(row, "after"))
    return found.get("sound") is False and not known and kind_of(row, question) == "open"


def _escaped(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "&lt;").replace("*", "\\*").replace("_", "\\_")


def _number(found: dict[str, Any] | None) -> str:
    if found is None:
        return "–"
    if "failed" in found:
        return "is not built"
    return "sound" if found["sound"] else f"**{found['share']:.2g}**"


def tutorial_table(rows: list[dict[str, Any]]) -> str:
    links = {tutorial.name: tutorial.link for tutorial in TUTORIALS}
    lines = [
        "| tutorial | verdict | leak | with the change | sees later steps | its number, without "
        "padding |",
        "|---|---|---|---|---|---|",
    ]
    for row in rows:
        later = row.get("sees later")
        later = "–" if later is None else "no" if later == 0 else str(later)
        numbers = row.get("numbers")
        both = f"{numbers['theirs']:g}, {numbers['without padding']:g}" if numbers else "–"
        lines.append(
            f"| [{row['tutorial']}]({links[row['tutorial']]}) | {KINDS[row['kind']]} "
            f"| {_number(row['leak'])} | {_number(row.get('leak after'))} | {later} | {both} |"
        )
    return "\n".join(lines) + "\n"


def _in_words(row: dict[str, Any]) -> str:
    tutorial = next(t for t in TUTORIALS if t.name == row["tutorial"])
    text = f"**[{tutorial.name}]({tutorial.link}).** *It means:* {tutorial.means} *What happens:* "
    text += tutorial.why
    if "failed" in row["leak"]:
        text += f" (`{row['leak']['failed'].replace('`', '')}`)"
    if tutorial.change:
        text += f" *The smallest change:* {tutorial.change}"
    if tutorial.keras != "3" and tutorial.kind != "sound":
        text += f" It was written for Keras {tutorial.keras}."
    return text + "\n"


HEAD = """# Does padding leak in the models that people use?

A model that treats padding right gives a sequence the same answer alone and in a padded batch. \
The probes of this repository (`padding_leak`, `batch_mates`, `influence`) were held to {hub} \
models of KerasHub, {hf} of Transformers and {tutorials} models of published tutorials: small, \
with random weights, several of each.

**With padding behind the text and the mask given, {leaking} models leak** ({kinds}); the others \
are sound, that is, nothing moves by more than rounding. **Padding in front** moves every model \
with a table of positions that counts it. Of the tutorials' models, {mended} have a mask that \
does not work on today's Keras, or a number that counts padding against their own text.

How to read the tables. A number is the largest move of a real step's output when the padding is \
taken away, as a share of the largest output: 1 means that the answer is another one. *Sound* \
means less than rounding: 1e-5 of the output's size in float32, and a move below 1e-3 was \
measured again in float64; in bfloat16 2.5e-2, or twice what bfloat16 itself moves that model's \
outputs; where it moves them by more than a tenth, it *cannot be told*. The columns: padding \
*after* the text; *before* it; before it, with position ids by which it is *skipped*; \
whether a row's answer moves with the rows of its *batch*, padding left as it is; after it, in \
*bfloat16*; and which steps a step *sees*. Beside a number stands why: a *fault* of the library, \
the *design* of the architecture, *documented*, *positions* that count the padding, or *open*, \
not understood yet; below each table it is said more fully. A dash: not asked, or the model has \
no such argument. Random weights show what *can* get in, not how much a trained model lets in. A \
test on given batches is no proof that a model is sound.
"""

TUTORIALS_HEAD = """
## Tutorials

Each architecture was written anew from its description, small, and no code was copied. Most were \
right on the Keras they were written for; each says which. Where the model is meant to have no \
mask, the leak is no mistake, but it is there. The last column has two numbers on the same labels \
and outputs: the tutorial's, and the one that leaves padding out (a loss; an accuracy of a model \
that is right at every real step; the sum of weights that should be 1).
"""

TAIL = """
## Measure again

```
make field-test
```

sets up an environment of its own, downloads no weights and no data, and writes this page and its \
data, [`field_test.json`](field_test.json). To measure a model of yours: `padding_leak(model, \
batch)`; see the [README](../README.md#use-it-on-your-model).
"""
