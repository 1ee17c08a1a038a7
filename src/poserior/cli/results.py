"""What verbs share: a trained run measured on a data set, and tables of numbers."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

    from poserior.structures import Evaluation

SHOWN = ("AP", "AR", "PCK@0.2", "EPE", "NLL", "coverage@50", "coverage@90", "pearson", "spearman", "AUSE")


def measure(
    folder: Path,
    people: Any,
    name: str,
    batch_size: int = 64,
    workers: int = 0,
    progress: bool = True,
    device: str | None = None,
) -> "tuple[Evaluation, dict[str, Any]]":
    """Evaluate the run in `folder` on `people`, and leave ``metrics.json`` there."""
    from poserior import inference, metrics, outputs

    predictor = inference.load(folder, device=device)
    evaluation = inference.evaluate_model(
        predictor.model,
        predictor.spec,
        people,
        name,
        batch_size=batch_size,
        num_workers=workers,
        progress=progress,
    )
    values = dict(metrics.summarise(evaluation))
    outputs.write_json(folder / "metrics.json", values)
    return evaluation, values


def runs_of(text: str) -> list[Path]:
    """The run folders of ``--run``: one, or several with commas between (a folder may have a comma in its name).

    >>> [str(folder) for folder in runs_of("runs/a,runs/b")]
    ['runs/a', 'runs/b']
    """
    return [Path(text)] if Path(text).exists() else [Path(part) for part in text.split(",") if part]


def picture_of(people: Any) -> "Callable[[int], np.ndarray]":
    """From a person's number to the whole picture, as reports want it."""

    def picture(index: int) -> "np.ndarray":
        pixels: np.ndarray = people[index].image.numpy()
        return pixels

    return picture


def table(columns: Sequence[str], rows: Mapping[str, Sequence[str]], corner: str = "head") -> str:
    """A Markdown table whose source is aligned too.

    >>> print(table(["AP"], {"RLE": ["0.71"], "L1": ["0.6"]}))
    | head | AP   |
    |------|------|
    | RLE  | 0.71 |
    | L1   | 0.6  |
    """
    lines = [[corner, *columns], *([name, *cells] for name, cells in rows.items())]
    widths = [max(len(line[i]) for line in lines) for i in range(len(columns) + 1)]
    text = ["| " + " | ".join(cell.ljust(w) for cell, w in zip(line, widths, strict=True)) + " |" for line in lines]
    text.insert(1, "|" + "|".join("-" * (width + 2) for width in widths) + "|")
    return "\n".join(text)


def part_table(per_part: Mapping[str, Mapping[str, Any]]) -> str:
    """AP and AR of each part: scored by its own keypoints, and by the person's score.

    >>> print(part_table({"foot": {"AP": 0.5, "AP_person_score": 0.25, "AR": 0.75, "OKS": None, "num_keypoints": 6}}))
    | part | AP  | AP by person's score | AR   | OKS | num_keypoints |
    |------|-----|----------------------|------|-----|---------------|
    | foot | 0.5 | 0.25                 | 0.75 | -   | 6             |
    """
    columns = {"AP": "AP", "AP_person_score": "AP by person's score", "AR": "AR", "OKS": "OKS"}
    columns["num_keypoints"] = "num_keypoints"
    rows = {
        part: ["-" if values.get(key) is None else f"{values[key]:.4g}" for key in columns]
        for part, values in per_part.items()
    }
    return table(list(columns.values()), rows, corner="part")


def numbers(metrics: Mapping[str, Any]) -> dict[str, float]:
    """The metrics that are one number each.

    >>> numbers({"AP": 0.5, "APM": None, "num_people": 3, "per_keypoint": {}})
    {'AP': 0.5, 'num_people': 3.0}
    """
    return {key: float(value) for key, value in metrics.items() if isinstance(value, int | float)}
