from dataclasses import replace

import pytest

from poserior.report.headline import headline
from poserior.report.method import Method
from poserior.report.tables import METRICS, MISSING, comparison, highlights


def methods_of(generated, *metrics):
    names = ("RLE", "L1", "DLE")
    first = generated.evaluations[0]
    return [Method(i, replace(first, name=names[i]), m) for i, m in enumerate(metrics)]


def row_of(groups, key):
    return next(row for _, rows in groups for row in rows if row.metric.key == key)


def test_best_is_highest_lowest_or_nearest(generated):
    groups = comparison(
        methods_of(
            generated,
            {"AP": 0.5, "EPE": 4.0, "coverage@90": 0.97, "NLL": -2.0},
            {"AP": 0.6, "EPE": 5.0, "coverage@90": 0.88, "NLL": None},
            {"AP": None, "EPE": 3.0, "coverage@90": 0.80, "NLL": -3.0},
        )
    )
    assert [cell.best for cell in row_of(groups, "AP").cells] == [False, True, False]
    assert [cell.best for cell in row_of(groups, "EPE").cells] == [False, False, True]
    assert [cell.best for cell in row_of(groups, "coverage@90").cells] == [False, True, False]
    assert [cell.text for cell in row_of(groups, "NLL").cells] == [
        "\N{MINUS SIGN}2.000",
        MISSING,
        "\N{MINUS SIGN}3.000",
    ]


def test_equal_as_written_is_equally_good(generated):
    groups = comparison(methods_of(generated, {"AP": 0.50001}, {"AP": 0.50004}))
    assert [cell.best for cell in row_of(groups, "AP").cells] == [True, True]


def test_one_method_has_no_best(generated):
    assert [cell.best for cell in row_of(comparison(methods_of(generated, {"AP": 0.5})), "AP").cells] == [False]


def test_unknown_metrics_stand_at_the_end_and_absent_ones_nowhere(generated):
    groups = comparison(methods_of(generated, {"AP": 0.5, "minutes": 4, "note": "text", "num_people": 3}))
    assert [(title, [row.metric.key for row in rows]) for title, rows in groups] == [
        ("How close are the points?", ["AP"]),
        ("Other numbers", ["minutes"]),
    ]
    assert row_of(groups, "minutes").cells[0].text == "4.000"


@pytest.mark.parametrize(
    ("key", "value", "text"),
    [
        ("PCK@0.2", 0.5, "50.0 %"),
        ("EPE", 12.3456, "12.35 px"),
        ("AUSE", 0.01234, "0.0123"),
        ("AP", float("nan"), MISSING),
    ],
)
def test_numbers_for_people(key, value, text):
    assert METRICS[key].write(value) == text


def test_coverage_names_its_aim():
    assert METRICS["coverage@95"].aim == "→ 95 %"
    assert METRICS["EPE"].aim == "↓"


def test_headline_says_only_what_is_known(generated):
    full, other = methods_of(generated, {"AP": 0.5, "coverage@90": 0.9, "spearman": 0.7}, {"AP": 0.6, "spearman": 0.2})
    assert headline([full, other]) == (
        "RLE reaches AP 0.500 (L1: 0.600), holds 90.0 % of the labels inside its 90 % regions"
        " and knows well which of its points are good (rank correlation 0.700; L1: 0.200)."
    )
    assert headline([other]) == (
        "L1 reaches AP 0.600 and hardly knows which of its points are good (rank correlation 0.200)."
    )
    assert headline(methods_of(generated, {"EPE": 3.0})) == "RLE reaches a mean error of 3.00 px."
    assert headline(methods_of(generated, {})) == "RLE on 47 people."


def test_highlights_are_those_that_the_first_method_has(generated):
    rows = highlights(methods_of(generated, {"AP": 0.5, "NLL": None, "spearman": 0.1}, {"NLL": 1.0}))
    assert [row.metric.key for row in rows] == ["AP", "spearman"]
