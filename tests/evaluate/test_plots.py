"""Figures are made, say what they show, and are written whole."""

import itertools

import numpy as np
import pytest
from PIL import Image

from gllmm_jax.evaluate import plots
from gllmm_jax.evaluate.bdrate import Curve
from gllmm_jax.evaluate.mixture import ChannelFit


def words(figure) -> str:
    texts = [text.get_text() for axes in figure.axes for text in (*axes.texts, axes.title, axes.xaxis.label)]
    legends = [text.get_text() for axes in figure.axes if axes.get_legend() for text in axes.get_legend().get_texts()]
    return " ".join(texts + legends)


def test_rate_distortion_names_its_curves_and_keeps_names_apart():
    curves = {f"codec {i}": Curve([0.2, 0.5, 1.0, 9.0], [25 + i / 100, 28, 30 + i / 100, 50]) for i in range(3)}
    figure = plots.rate_distortion(curves, ours=["codec 1"], max_bpp=2)
    axes = figure.axes[0]
    assert all(name in words(figure) for name in curves)
    heights = sorted(text.get_position()[1] for text in axes.texts)
    assert np.diff(heights).min() > 0.1 and axes.get_ylim()[0] < heights[0] and heights[-1] < axes.get_ylim()[1]
    for line in axes.lines:  # ends between its points, without a mark of its own there
        (x, y), marked = np.asarray(line.get_data()), np.asarray(line.get_markevery())
        assert x.tolist() == [0.2, 0.5, 1.0, 2.0] and 30 < y[-1] < 40 and marked.tolist() == [0, 1, 2]


def test_curves_can_be_told_apart_and_have_the_colour_of_their_names():
    curves = {f"codec {i}": Curve([0.2, 1.0], [25 + i, 30 + i]) for i in range(12)}
    axes = plots.rate_distortion(curves, ours=["codec 3"]).axes[0]
    looks = [(line.get_color(), line.get_linestyle(), line.get_marker()) for line in axes.lines]
    assert len(set(looks)) == 12
    named = {text.get_text(): text.get_color() for text in axes.texts}
    assert [named[name] for name in curves] == [colour for colour, _, _ in looks]
    assert [text.get_text() for text in axes.texts if text.get_fontweight() == "bold"] == ["codec 3"]


def test_a_curve_that_ends_early_is_named_where_it_would_arrive():
    best, worst = Curve([0.1, 0.2, 0.4], [30, 32, 34]), Curve([0.1, 0.2, 0.4, 0.8], [28, 30, 32, 35])
    names = plots.rate_distortion({"worst": worst, "best": best}).axes[0].texts
    heights = {text.get_text(): text.get_position()[1] for text in names}
    assert heights["best"] > heights["worst"]  # its own end is lower
    flat = Curve([0.1, 0.2, 0.4], [28, 28.5, 29])
    (name,) = (text for text in plots.rate_distortion({"worst": worst, "flat": flat}).axes[0].texts[1:])
    assert (name.get_text(), name.get_position()[1]) == ("flat", pytest.approx(29.5))


def test_ours_and_the_others_share_no_colour():
    curves = {f"codec {i}": Curve([0.2, 1.0], [25 + i, 30 + i]) for i in range(10)}
    ours = ["codec 0", "codec 1", "codec 2"]
    lines = plots.rate_distortion(curves, ours=ours).axes[0].lines
    assert not {line.get_color() for line in lines[:3]} & {line.get_color() for line in lines[3:]}


def test_a_strip_has_a_map_that_can_be_read(photograph):
    for height, width in ((900, 2), (2, 900)):
        figure = plots.maps(
            photograph(height, width), {"bits": np.ones((-(-height // 16), -(-width // 16)))}, unit="bits"
        )
        assert max(figure.get_size_inches()) < 20


def test_there_is_no_end_to_curves():
    curves = {f"codec {i}": Curve([0.2, 1.0], [25 + i, 30 + i]) for i in range(30)}
    assert len(plots.rate_distortion(curves).axes[0].lines) == 30


def test_side_by_side_is_a_picture_on_disk(photograph, tmp_path):
    image = photograph(120, 160)
    boxes = plots.interesting_boxes(image, side=40)
    panels = [("original", image), ("ours: 1,000 bytes", image // 2), ("JPEG", 255 - image)]
    figure = plots.side_by_side(panels, boxes)
    assert "ours: 1,000 bytes" in words(figure)
    crops = [np.s_[top : top + tall, left : left + wide] for top, left, tall, wide in boxes]
    for axis, (place, (_, panel)) in zip(figure.axes, itertools.product([np.s_[:], *crops], panels), strict=True):
        assert np.array_equal(np.asarray(axis.images[0].get_array()), panel[place])  # row by row
    plots.save(figure, tmp_path / "a.png", dpi=40)
    with Image.open(tmp_path / "a.png") as picture:
        assert picture.size[0] > 400
    assert [path.name for path in tmp_path.iterdir()] == ["a.png"]


def test_boxes_lie_inside_and_find_the_detail(photograph):
    image = np.full((100, 200, 3), 128, np.uint8)
    image[60:90, 150:190] = np.random.default_rng(0).integers(0, 255, (30, 40, 3))
    (top, left, tall, wide), calm = plots.interesting_boxes(image, side=32)
    assert top < 75 < top + tall
    assert left < 170 < left + wide
    assert calm[0] + calm[2] <= 100
    assert calm[1] + calm[3] <= 200
    assert plots.interesting_boxes(photograph(5, 7)) == [(0, 0, 5, 7)]


def test_maps_and_channels_are_labelled(photograph):
    figure = plots.maps(photograph(30, 40), {"gaussian": np.eye(2, 3), "laplace": np.ones((2, 3))}, unit="share")
    assert all(word in words(figure) for word in ("photograph", "gaussian", "laplace", "share"))
    fit = ChannelFit(4, ("gaussian", "laplace"), np.arange(-2, 3), np.full(5, 0.2), np.full((5, 2), 0.1))
    assert all(word in words(plots.fitted_channel(fit)) for word in ("channel 4", "laplace", "in the photograph"))


def test_no_value_that_occurs_is_cut_off():
    observed = np.array([0, 0.0004, 0, 0.9992, 0, 0, 0.0004, 0, 0])
    fit = ChannelFit(0, ("gaussian",), np.arange(-3, 6), observed, np.zeros((9, 1)))
    assert plots.fitted_channel(fit).axes[0].get_xlim() == (-3, 4)


def test_lines_and_rounds_say_what_they_are():
    figure = plots.lines({"laplace": ([1, 2], [3, 4]), "loss": ([1, 2], [5, 6])}, x="steps", y="share", title="a run")
    axes = figure.axes[0]
    assert all(word in words(figure) for word in ("steps", "laplace", "loss", "a run")) and axes.get_ylabel() == "share"
    assert axes.lines[0].get_color() == plots.FAMILY_COLOURS["laplace"] != axes.lines[1].get_color()
    figure.draw_without_rendering()
    legend = axes.get_legend()
    assert legend is not None
    assert legend.get_window_extent().x0 > axes.get_window_extent().x1  # beside the data
    assert "wavefront: 6 rounds" in words(plots.rounds({"wavefront": np.arange(1, 7).reshape(2, 3)}))


def test_shares_lie_one_above_the_other():
    figure = plots.stacked({"gaussian": [0.25, 0.5], "laplace": [0.75, 0.5]}, x="channel", y="share", title="shares")
    bars = [bar.get_extents().transformed(figure.axes[0].transData.inverted()) for bar in figure.axes[0].patches]
    spans = [(round(bar.y0, 6), round(bar.y1, 6)) for bar in bars]
    assert spans == [(0, 0.25), (0, 0.5), (0.25, 1), (0.5, 1)]
    assert all(word in words(figure) for word in ("channel", "shares", "laplace"))
