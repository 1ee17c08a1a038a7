"""The table of methods: what each metric is called, how it is written, which way is better, what it says."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from poserior.report.method import Method

MISSING = "\N{EN DASH}"


@dataclass(frozen=True)
class Metric:
    """How one metric is shown.

    Attributes:
        key: its name in ``metrics.json``.
        better: "higher", "lower", the value it should have (a coverage's nominal one), or "" where nobody knows.
        says: what it means, in plain words.
        digits: after the decimal point.
        percent: shown times 100 with a percent sign.
        unit: written behind the number.
    """

    key: str
    better: str | float
    says: str
    digits: int = 3
    percent: bool = False
    unit: str = ""

    @property
    def aim(self) -> str:
        """An arrow, the value aimed at, or nothing."""
        if isinstance(self.better, str):
            return {"higher": "↑", "lower": "↓", "": ""}[self.better]
        return f"→ {self.better:.0%}".replace("%", " %")

    def write(self, value: Any) -> str:
        """The value for people.

        >>> Metric("EPE", "lower", "", digits=2, unit="px").write(3.14159)
        '3.14 px'
        >>> Metric("coverage@90", 0.9, "", digits=1, percent=True).write(0.8766)
        '87.7 %'
        >>> Metric("NLL", "lower", "").write(None)
        '–'
        """
        number = as_number(value)
        if number is None:
            return MISSING
        text = f"{100 * number:.{self.digits}f} %" if self.percent else f"{number:.{self.digits}f}"
        return f"{text} {self.unit}".strip().replace("-", "\N{MINUS SIGN}")

    def loss(self, value: float) -> float:
        """Smaller is better."""
        if isinstance(self.better, str):
            return value if self.better == "lower" else -value
        return abs(value - self.better)


_AP = "COCO's average precision: the share of people found well enough, averaged over ten demands (OKS 0.50 to 0.95)."
_EPE = "End-point error: mean distance from prediction to label, in pixels of the picture."
_NLL = (
    "Negative log-likelihood of the labels, nats per keypoint in crop-normalised coordinates:"
    " the price of every surprise."
)
_AUSE = (
    "Area between the sparsification curve by confidence and the perfect one:"
    " 0 if the worst points are always the least trusted."
)
_AUSE_PCK = "As AUSE, but an error is 1 where PCK@0.2 says wrong and 0 elsewhere."
_AURC = (
    "Share of wrong keypoints (OKS below 0.5) among those accepted, most trusted first, averaged over all shares"
    " accepted."
)
_GAP = "What perfect ranking of the same people would add to AP."
_ACCURACY = (
    Metric("AP", "higher", _AP),
    Metric("AP50", "higher", "The same at a lenient demand (OKS 0.50)."),
    Metric("AP75", "higher", "The same at a strict demand (OKS 0.75)."),
    Metric("APM", "higher", "AP of medium-sized people (32² to 96² pixels)."),
    Metric("APL", "higher", "AP of large people (above 96² pixels)."),
    Metric("AR", "higher", "Average recall: the share of people found, whatever their score."),
    Metric("OKS", "higher", "Mean object keypoint similarity of the people: 1 is exact, 0 far off."),
    Metric(
        "PCK@0.2", "higher", "Share of keypoints nearer to the label than a fifth of the box's longer side.", 1, True
    ),
    Metric("EPE", "lower", _EPE, 2, unit="px"),
)
_DENSITY = (
    Metric("NLL", "lower", _NLL),
    *(
        Metric(
            f"coverage@{percent}", percent / 100, f"Share of labels inside the predicted {percent} % region.", 1, True
        )
        for percent in (50, 80, 90, 95)
    ),
    Metric("width@90", "", "Mean width of the ellipses that are given 90 % of the probability.", 1, unit="px"),
    Metric(
        "needed_width@90",
        "lower",
        "The same if all were scaled by one factor so as to hold 90 % of the labels: sharpness.",
        1,
        unit="px",
    ),
)
_CONFIDENCE = (
    Metric("pearson", "higher", "Linear correlation of a keypoint's confidence with the OKS it then reached."),
    Metric("spearman", "higher", "The same between ranks: are better points given higher confidence?"),
    Metric("AUSE", "lower", _AUSE, 4),
    Metric("AUSE_PCK", "lower", _AUSE_PCK, 4),
    Metric("AURC", "lower", _AURC, 4),
    Metric("AURC_excess", "lower", "The same less that of a perfect order.", 4),
    Metric("confidence", "", "Mean confidence of the keypoints; right if it equals their mean OKS."),
    Metric("ECE", "lower", "Expected calibration error: mean gap between confidence and OKS reached.", 4),
    Metric("pearson_instance", "higher", "As pearson, of whole people: their score with their OKS."),
    Metric("spearman_instance", "higher", "As spearman, of whole people."),
    Metric("AUSE_instance", "lower", "As AUSE, of whole people.", 4),
)
_RANKING = (
    Metric("AP_constant", "", "AP of the same people, all scored 1."),
    Metric("AP_random", "", "AP of the same people, scored at random (mean of several draws)."),
    Metric("AP_oracle", "higher", "AP of the same people, scored by their true OKS."),
    Metric("oracle_gap", "lower", _GAP),
)
_VISIBILITY = (
    Metric("Brier_visibility", "lower", "Mean squared gap of predicted visibility and labelled (1) or not (0).", 4),
    Metric("ECE_visibility", "lower", "Mean gap of predicted visibility and the share that is labelled.", 4),
)
GROUPS = (
    ("How close are the points?", _ACCURACY),
    ("Does the density tell the truth?", _DENSITY),
    ("Does the confidence mean something?", _CONFIDENCE),
    ("What is the ranking of people worth?", _RANKING),
    ("Does it know what can be seen?", _VISIBILITY),
)

METRICS = {metric.key: metric for _, metrics in GROUPS for metric in metrics}


@dataclass(frozen=True)
class Cell:
    """One value of the table."""

    text: str
    best: bool


@dataclass(frozen=True)
class Row:
    """One metric of all methods."""

    metric: Metric
    cells: tuple[Cell, ...]


def as_number(value: Any) -> float | None:
    """A finite number, or None."""
    if value is None or isinstance(value, (str, bool, dict, list, tuple)):
        return None
    number = float(value)
    return number if math.isfinite(number) else None


def comparison(methods: Sequence[Method]) -> list[tuple[str, list[Row]]]:
    """The table's groups and rows; metrics that no method has are left out, unknown ones stand at the end."""
    groups = [(title, [_row(metric, methods) for metric in metrics]) for title, metrics in GROUPS]
    known = set(METRICS) | {"per_keypoint", "per_size", "num_people", "num_keypoints"}
    others = dict.fromkeys(key for method in methods for key in method.metrics if key not in known)
    groups.append(
        ("Other numbers", [_row(Metric(key, "", "", 0 if key.startswith("num_") else 3), methods) for key in others])
    )
    shown = [
        (title, [row for row in rows if any(cell.text != MISSING for cell in row.cells)]) for title, rows in groups
    ]
    return [(title, rows) for title, rows in shown if rows]


def highlights(methods: Sequence[Method]) -> list[Row]:
    """The few numbers that stand in large type at the top."""
    rows = [_row(METRICS[key], methods) for key in ("AP", "EPE", "NLL", "coverage@90", "spearman")]
    return [row for row in rows if row.cells[0].text != MISSING]


def _row(metric: Metric, methods: Sequence[Method]) -> Row:
    values = [as_number(method.metrics.get(metric.key)) for method in methods]
    texts = [metric.write(value) for value in values]
    present = [value for value in values if value is not None]
    best = ""
    if len(present) > 1 and metric.better != "":
        best = metric.write(min(present, key=metric.loss))
    return Row(metric, tuple(Cell(text, text == best) for text in texts))
