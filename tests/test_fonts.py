"""One font setting for every text of a picture: the reader's, with fallbacks for other scripts."""

from helpers import heatmaps, plot_mask
from helpers.fonts import ALWAYS, families, width_of, wrapped

import matplotlib
import numpy as np


def drawn_families(figure):
    """The fonts that a figure's texts ask for, tokens and numbers in cells among them."""
    texts = [t for t in figure.findobj(matplotlib.text.Text) if t.get_text().strip()]
    found = {tuple(t.get_fontfamily()) for t in texts}
    return found | {cells.fonts for cells in figure.findobj(heatmaps._Cells)}


def test_all_texts_follow_one_font_setting_the_readers():
    with matplotlib.rc_context({"font.family": ["monospace", "DejaVu Serif"]}):
        figure = plot_mask([[1, 0]], tokens=[["hello", ""]], title="In the reader's font")
        assert {fonts[0] for fonts in drawn_families(figure)} == {"DejaVu Sans Mono"}
        assert all("DejaVu Serif" in fonts for fonts in drawn_families(figure))
    assert drawn_families(plot_mask([1, 0], title="again")) == {families()}


def test_a_fallback_font_of_the_readers_draws_tokens_labels_and_titles(recwarn):
    alone = "cmr10"  # comes with matplotlib and has none of these letters
    with matplotlib.rc_context({"font.family": [alone, "DejaVu Sans"]}):
        figure = plot_mask([[1, 0]], tokens=(["ж"], ["д", "ю"]), title="Мир")
        png = figure._repr_mimebundle_()[0]["image/png"]
        cells = plot_mask([[1, 0]], tokens=[["д", "ю"]])
        cells.canvas.draw()
    assert png and not [w for w in recwarn if "missing from font" in str(w.message)]


def test_a_changed_font_changes_tokens_that_were_drawn_before():
    def pixels(family):
        with matplotlib.rc_context({"font.family": family}):
            figure = plot_mask([[1, 1]], tokens=[["hello", "you"]])
            figure.canvas.draw()
            return np.asarray(figure.canvas.buffer_rgba()).copy()

    sans, serif = pixels("DejaVu Sans"), pixels("DejaVu Serif")
    assert sans.shape != serif.shape or (sans != serif).any()
    assert (pixels("DejaVu Sans") == sans).all()


def test_a_font_that_is_not_installed_leaves_ours(recwarn):
    with matplotlib.rc_context({"font.family": ["No Such Font"]}):
        plot_mask([1, 0], title="still in letters").canvas.draw()
        assert families()[: len(ALWAYS)] == ALWAYS
    assert not list(recwarn)


def test_chinese_labels_get_the_room_that_they_need():
    assert width_of("掩码 mask") == 9
    assert wrapped("掩码掩码", 4) == ["掩码", "掩码"]
    assert heatmaps._shortened("掩" * 8) == "掩" * 6 + "…"
