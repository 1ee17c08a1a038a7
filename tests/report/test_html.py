import base64
import io
import re
from dataclasses import replace
from html.parser import HTMLParser

import matplotlib
import numpy as np
import pytest
import torch
from PIL import Image

from poserior.errors import InputError
from poserior.report import write_report
from poserior.report.tables import METRICS

VOID = {"meta", "input", "br", "link", "img"}


class Balanced(HTMLParser):
    """Every element that opens closes in order; remembers ids, attributes and text."""

    def __init__(self):
        super().__init__()
        self.open, self.ids, self.links, self.text, self.scripts = [], [], [], "", 0

    def handle_starttag(self, tag, attributes):
        self.scripts += tag == "script"
        self.ids += [value for name, value in attributes if name == "id"]
        self.links += [value for name, value in attributes if name in {"src", "href", "xlink:href", "srcset"}]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.handle_starttag(tag, attributes)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag):
        assert self.open, f"</{tag}> closes nothing"
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data


def parse(text):
    parser = Balanced()
    parser.feed(text)
    parser.close()
    assert parser.open == []
    return parser


@pytest.fixture(scope="module")
def page(generated, tmp_path_factory):
    output = tmp_path_factory.mktemp("report") / "deep" / "report.html"
    facts = {"Command": "poserior demo --seed 3", "Hardware": "2 cores"}
    written = write_report(
        generated.evaluations, generated.metrics, generated.pictures, output, "RLE against L1", facts
    )
    assert written == output
    assert [file.name for file in output.parent.iterdir()] == ["report.html"], "no temporary file stays behind"
    return output.read_text(encoding="utf-8")


def test_well_formed_with_unique_ids_and_nothing_from_outside(page):
    parser = parse(page)
    assert len(parser.ids) == len(set(parser.ids))
    assert parser.scripts == 0
    for link in parser.links:
        assert link.startswith(("data:image/jpeg;base64,", "#")), link
        assert not link.startswith("#") or link[1:] in parser.ids
    assert not re.search(r"https?://|@import|//cdn|javascript:", page)
    assert all(target.startswith("#") for target in re.findall(r"url\(([^)]*)\)", page))
    assert len(page) < 4e6


def test_every_method_metric_and_fact_is_there(page, generated):
    text = parse(page).text
    for name, numbers in generated.metrics.items():
        assert name in text
        for key, value in numbers.items():
            if key != "per_keypoint":
                assert key in text
                assert METRICS[key].write(value) in text, key
    for part in ("0.621", "93.4 %", "5.43 px", "\N{MINUS SIGN}5.812", "90.5 %", "0.0412", "0.0188"):
        assert part in text
    assert "poserior demo --seed 3" in text
    assert "RLE reaches AP 0.621 (L1: 0.610), holds 90.5 % of the labels inside its 90 % regions (L1: 91.7 %)" in text
    assert "left wrist" in text
    assert "Left out" not in text


def test_every_figure_and_every_tile_is_there(page):
    # density 2, coverage 3, confidence 6, keypoints 3; 8 people in the gallery, 4 in each of 4 groups
    assert page.count('<svg class="plot"') == 14
    assert page.count('<figure class="card tile">') == 8 + 16
    assert page.count('class="of m1"') == 2 * 24


def test_many_methods_share_the_page(generated, tmp_path):
    first = generated.evaluations[0]
    many = [replace(first, name=f"Method {i}") for i in range(9)]
    metrics = {e.name: {"AP": 0.1 * i, "ECE": 0.01 * i} for i, e in enumerate(many)}
    text = write_report(many, metrics, generated.pictures, tmp_path / "r.html", "t").read_text(encoding="utf-8")
    words = parse(text).text
    assert "ECE: Method 0 0.0000, Method 1 0.0100," in words
    assert words.count("Method 8") >= 6
    assert text.count('class="of m8"') == 2 * 24
    assert len(text) < 4e6


def test_the_same_input_gives_the_same_page(page, generated, tmp_path):
    facts = {"Command": "poserior demo --seed 3", "Hardware": "2 cores"}
    again = write_report(
        generated.evaluations, generated.metrics, generated.pictures, tmp_path / "r.html", "RLE against L1", facts
    )
    assert again.read_text(encoding="utf-8") == page


def test_global_settings_of_matplotlib_stay(generated, tmp_path):
    before = dict(matplotlib.rcParams)
    write_report(generated.evaluations[:1], {}, None, tmp_path / "r.html", "t")
    assert dict(matplotlib.rcParams) == before


def test_a_bare_results_file_leaves_out_what_needs_a_density(generated, tmp_path):
    nothing = dict.fromkeys(
        ("covariance", "visibility", "log_prob", "credible_level", "ellipse_radius", "mean", "error_draws", "errors")
    )
    bare = replace(generated.evaluations[0], label_draws=None, **nothing)
    metrics = {"RLE": {"AP": 0.5, "NLL": None, "coverage@90": None, "spearman": float("nan")}}
    text = write_report([bare], metrics, generated.pictures, tmp_path / "r.html", "bare").read_text(encoding="utf-8")
    words = parse(text).text
    assert "<ellipse" not in text
    assert "No ellipses: RLE comes without covariances." in words
    assert "Left out: RLE comes without draws of its error law." in words
    assert "Left out: no method comes with a density (credible levels)." in words
    assert "No method comes with covariances, so spread and error are not compared." in words
    assert text.count('<svg class="plot"') == 4 + 3
    assert "RLE reaches AP 0.500." in words
    assert "nan" not in words


def test_without_pictures_metrics_or_labels(generated, tmp_path):
    first = generated.evaluations[0]
    blind = replace(first, target_visibility=torch.zeros_like(first.target_visibility))
    text = write_report([blind], {}, None, tmp_path / "r.html", "blind").read_text(encoding="utf-8")
    words = parse(text).text
    assert "No metrics were given." in words
    assert "Left out: there are no pictures at hand." in words
    assert "Left out: nothing is labelled." in words
    assert "its confidences do not lie in [0, 1], or nothing is labelled" in words
    assert text.count('<svg class="plot"') == 2, "only the density needs no labels"


def test_confidences_outside_the_unit_interval_are_left_out_and_said(generated, tmp_path):
    loud = replace(generated.evaluations[1], confidence=generated.evaluations[1].confidence * 3)
    text = write_report([generated.evaluations[0], loud], {}, None, tmp_path / "r.html", "t").read_text(
        encoding="utf-8"
    )
    assert "L1 is left out: its confidences do not lie in [0, 1]" in parse(text).text


def test_hostile_names_stay_text(generated, tmp_path):
    evil = "</title><script>alert(1)</script>$x_$ \" ' & -->"
    first = generated.evaluations[0]
    skeleton = replace(first.skeleton, name=evil, keypoints=(evil, *first.skeleton.keypoints[1:]))
    hostile = replace(first, name=evil, skeleton=skeleton, image_id=(evil, *first.image_id[1:]))
    output = tmp_path / "r.html"
    write_report([hostile], {evil: {"AP": 0.5, evil: 1.25}}, generated.pictures, output, evil, {evil: evil})
    parser = parse(output.read_text(encoding="utf-8"))
    assert parser.scripts == 0
    assert parser.text.count(evil) > 6


def test_evaluations_of_different_people_are_refused(generated, tmp_path):
    first, second = generated.evaluations
    moved = replace(second, annotation_id=tuple(n + 1 for n in second.annotation_id))
    with pytest.raises(InputError, match="same people"):
        write_report([first, moved], {}, None, tmp_path / "r.html", "t")
    with pytest.raises(InputError, match="at least one evaluation"):
        write_report([], {}, None, tmp_path / "r.html", "t")
    assert list(tmp_path.iterdir()) == []


def test_a_failure_leaves_the_old_report_alone(generated, tmp_path):
    output = tmp_path / "r.html"
    output.write_text("old")

    def broken(n):
        return np.zeros((4, 5), np.uint8)

    with pytest.raises(InputError, match=r"\(H, W, 3\) uint8, found \(4, 5\) uint8"):
        write_report(generated.evaluations, {}, broken, output, "t")
    assert output.read_text() == "old"
    assert list(tmp_path.iterdir()) == [output]


def test_the_pictures_are_those_of_the_people(page, generated):
    blobs = re.findall(r"data:image/jpeg;base64,([A-Za-z0-9+/=]+)", page)
    colors = [np.asarray(Image.open(io.BytesIO(base64.b64decode(blob))))[5, 5] for blob in blobs[:8]]
    # eight people at equal distances through 47
    for n, color in zip((0, 7, 13, 20, 26, 33, 39, 46), colors, strict=True):
        np.testing.assert_allclose(color, generated.pictures(n)[5, 5], atol=4)
