"""Build the published pages from the stored notebooks: `make site`.

No notebook is run and TensorFlow is not needed. The notebooks are copied, with their Explorers
and predictions made to move in the page, and Sphinx does the rest. Each edition is a site of its
own with its own search, the Chinese one in `zh/`.

    MASKS_REPOSITORY=owner/name make site    # with links to Binder and to files of the repository
"""

from __future__ import annotations

import os
import re
import shutil
import sys
from pathlib import Path
from urllib.parse import quote

from tools.site_pages import REPOSITORY, ROOT, Edition, contents, dated, explorer, links, page
from tools.site_words import ENGLISH, SPHINX
from tools.used_styles import used_rules

import nbformat
from sphinx.cmd.build import main as sphinx

SOURCE, TARGET = ROOT / "build" / "site-source", ROOT / "build" / "site"
# What no page needs: source maps, and 2,000 icons as a script and as fonts.
LEFT_OUT = ["_static/**/*.map", "_static/scripts/fontawesome.js*", "_static/vendor", "_sources"]
# What readers who listen would miss in the theme's pages: names that are what is seen, landmarks.
MENDED = {
    r'\s*<script defer src="[^"]*fontawesome\.js[^"]*"></script>': "",
    r'(<summary) aria-label="Toggle hidden content"': r"\1",
    r'(<button class="btn search-button-field[^>]*?) title="[^"]*" aria-label="[^"]*"': r"\1",
    r'(<div id="pst-primary-sidebar")': rf'\1 role="region" aria-label="{ENGLISH["title"]}"',
}
_ICON_RULES = re.compile(r'(?:\.fa-[\w-]+,?)+\{--fa:"[^"]*"\}|@font-face\{[^}]*fontawesome[^}]*\}')


def write_source(edition: Edition, source: Path) -> None:
    """Write what Sphinx reads: an edition's notebooks, its start page, the style and the script."""
    shutil.copytree(ROOT / "site", source)
    for start in source.glob("index*.md"):
        if start.stem != f"index.{edition.language}":
            start.unlink()
    for path in edition.paths:
        nbformat.write(page(path, edition, source / "extra" / "pictures"), source / path.name)
        (source / "extra" / "notebooks").mkdir(parents=True, exist_ok=True)
        shutil.copy(path, source / "extra" / "notebooks")
    if edition.language == "en":
        for path in sorted((ROOT / "docs").glob("*.md")):
            (source / "docs").mkdir(exist_ok=True)
            text = links(dated(path.read_text(encoding="utf-8")), path, edition)
            (source / "docs" / path.name).write_text(text, encoding="utf-8")
    start = (source / f"index.{edition.language}.md").rename(source / "index.md")
    text = start.read_text(encoding="utf-8")
    hook = next(p for p in edition.paths if p.name.startswith("02_"))
    folder = REPOSITORY.rpartition("/")[2]
    clone = f"git clone https://github.com/{REPOSITORY}\ncd {folder}\n" if folder else ""
    for name, value in {
        "CONTENTS": contents(edition),
        "EXPLORER": explorer(hook, edition, source / "extra" / "pictures"),
        "DOCS": "docs/*" if (source / "docs").exists() else "",
        "CLONE": clone,
    }.items():
        text = text.replace(f"%{name}%", value)
    start.write_text(text, encoding="utf-8")


def build(edition: Edition, target: Path, others: dict[str, str]) -> int:
    """Build an edition's pages.

    Args:
        edition: Which.
        target: Where its pages go.
        others: From the languages of the other editions to where they are, seen from here.

    Returns:
        0 if there was neither an error nor a warning.
    """
    source = SOURCE / edition.language
    os.environ["MASKS_LANGUAGE"] = edition.language  # of the pictures, too
    write_source(edition, source)
    os.environ["MASKS_OTHERS"] = " ".join(f"{k}={v}" for k, v in others.items())
    options = ["-q", "-W", "--keep-going", "-b", "html", "-d", f"{source}-doctrees"]
    language = f"language={SPHINX[edition.language]}"
    code = sphinx([*options, "-D", language, str(source), str(target)])
    if (target / "_static").is_dir():
        finish(target)
    return code


def finish(target: Path) -> None:
    """Mend what the theme leaves to mend, and take out what no page needs.

    The few icons that the pages show become a style of ours.
    """
    static = target / "_static"
    icons = (static / "scripts" / "fontawesome.js").read_text(encoding="utf-8")
    names: set[str] = set()
    for path in [*target.rglob("*.html"), *(static / "scripts").glob("*theme.js")]:
        text = path.read_text(encoding="utf-8")
        names |= set(re.findall(r"\bfa-([a-z-]+)", text)) - {"solid", "lg", "fw"}
        if path.suffix == ".html":
            for found, better in MENDED.items():
                text = re.sub(found, better, text)
            path.write_text(text, encoding="utf-8")
    rules = [icon_rule(name, icons) for name in sorted(names)]
    note = "\n/* Icons: Font Awesome Free, https://fontawesome.com, CC BY 4.0 */\n"
    (static / "masks.css").open("a", encoding="utf-8").writelines([note, *rules])
    theme = static / "styles" / "pydata-sphinx-theme.css"
    theme.write_text(_ICON_RULES.sub("", theme.read_text(encoding="utf-8")), encoding="utf-8")
    used = {
        name
        for path in [*target.rglob("*.html"), *target.rglob("*.js")]
        for name in re.findall(r"[\w-]+", path.read_text(encoding="utf-8"))
    }
    for path in static.rglob("*.css"):
        path.write_text(used_rules(path.read_text(encoding="utf-8"), used), encoding="utf-8")
    for pattern in LEFT_OUT:
        for path in target.glob(pattern):
            shutil.rmtree(path) if path.is_dir() else path.unlink()


def icon_rule(name: str, icons: str) -> str:
    """An icon of Font Awesome's, which the theme comes with, as a style that needs no font."""
    shape = r'\[(\d+),(\d+),\[[^\]]*\],"[0-9a-f]+","([^"]+)"\]'
    found = re.findall(rf'[{{,"]{name}"?:{shape}', icons)
    if not found:
        found = re.findall(shape.replace(r"[^\]]*", rf'[^\]]*"{name}"[^\]]*', 1), icons)
    if not found:
        raise ValueError(f"The theme shows an icon {name} and does not bring it.")
    width, height, drawn = found[-1]  # the solid ones come last
    svg = f"<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 {width} {height}'>"
    svg += f"<path d='{drawn}'/></svg>"
    return (
        f'.fa-{name}::before {{ content: "" !important; display: inline-block; '
        f"width: {int(width) / int(height):.3f}em; height: 1em; background: currentColor; "
        f'mask: url("data:image/svg+xml,{quote(svg)}") center / contain no-repeat; }}\n'
    )


def main() -> int:
    shutil.rmtree(SOURCE, ignore_errors=True)
    shutil.rmtree(TARGET, ignore_errors=True)
    editions = [e for e in map(Edition, SPHINX) if e.paths]
    code = 0
    for edition in editions:
        up = "" if edition.language == "en" else "../"
        others = {
            e.language: up if e.language == "en" else f"{up}{e.language}/"
            for e in editions
            if e != edition
        }
        place = TARGET if edition.language == "en" else TARGET / edition.language
        code |= build(edition, place, others)
        # Sphinx's copies of the notebooks, which it puts beside the pages.
        shutil.rmtree(place.parent / "jupyter_execute", ignore_errors=True)
    (TARGET / ".nojekyll").touch()  # hosts that run Jekyll would leave `_static` out
    return code


if __name__ == "__main__":
    sys.exit(main())
