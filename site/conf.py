"""Sphinx settings of the published pages: `make site`."""

import json
import os

from tools.site_pages import Edition
from tools.site_search import ChinesePairs

edition = Edition(os.environ.get("MASKS_LANGUAGE", "en"))
# Other editions: their languages and where they are, seen from this one.
others = dict(other.split("=") for other in os.environ.get("MASKS_OTHERS", "").split())

project = edition.words["title"]
author = "the authors of Masks You Can See"
copyright = author
extensions = ["myst_nb"]
exclude_patterns = ["_static", "extra"]
templates_path = ["_templates"]
html_theme = "sphinx_book_theme"
html_title = project
html_static_path = ["_static"]
html_extra_path = ["extra"]
html_css_files = ["masks.css"]
html_js_files = ["masks.js"]
html_copy_source = False
html_show_sphinx = False
html_use_index = False
html_sidebars = {
    "**": ["navbar-logo.html", "language.html", "search-button-field.html", "sbt-sidebar-nav.html"]
}
html_theme_options = {
    "use_download_button": False,  # it would offer the page's source, not the notebook
    "use_fullscreen_button": False,
    "home_page_in_toc": True,
    "show_toc_level": 2,
    "toc_title": edition.words["on_this_page"],
    "icon_links": [],
    "pygments_light_style": "a11y-high-contrast-light",
    "pygments_dark_style": "a11y-high-contrast-dark",
}
nb_execution_mode = "off"  # the notebooks are stored with their outputs
nb_merge_streams = True
myst_heading_anchors = 4
myst_heading_slug_func = "tools.site_pages.anchor"
myst_enable_extensions = ["attrs_block"]
suppress_warnings = ["misc.highlighting_failure"]  # of cells that show a syntax error


def add_words(app, page, _template, context, _doctree):
    """What the script says, and where the same page is in other languages."""
    words = json.dumps(edition.words, ensure_ascii=False)
    app.add_js_file(None, body=f"const MASKS_WORDS = {words};", priority=100)
    context["other_editions"] = [
        (language, Edition(language).words["language"], f"{place}{page}.html")
        for language, place in others.items()
        if page == "index" or (Edition(language).folder / f"{page}.ipynb").exists()
    ]


def setup(app):
    app.connect("html-page-context", add_words)
    app.add_search_language(ChinesePairs)
