"""Sphinx settings of the published pages: `make site`."""

project = "Masks You Can See"
author = "the authors of Masks You Can See"
copyright = author
extensions = ["myst_nb"]
exclude_patterns = ["_static"]
html_theme = "sphinx_book_theme"
html_title = project
html_static_path = ["_static"]
html_css_files = ["masks.css"]
html_js_files = ["masks.js"]
html_copy_source = False
html_show_sphinx = False
html_theme_options = {
    "use_download_button": True,
    "use_fullscreen_button": False,
    "home_page_in_toc": True,
    "show_toc_level": 2,
    "icon_links": [],
}
nb_execution_mode = "off"  # the notebooks are stored with their outputs
nb_merge_streams = True
myst_heading_anchors = 3
suppress_warnings = ["mystnb.unknown_mime_type", "misc.highlighting_failure"]
