"""A model card from what is known of the run: nothing is claimed that was not measured."""

import json
from collections.abc import Mapping
from typing import Any

from poserior.models import ModelSpec

SHOWN = {
    "num_people": "people",
    "AP": "AP (OKS)",
    "OKS": "mean OKS",
    "PCK@0.2": "PCK@0.2 of the box",
    "EPE": "mean error, pixels",
    "NLL": "NLL, nats per keypoint (crop-normalised)",
    "coverage@50": "labels inside the predicted 50 % region",
    "coverage@90": "labels inside the predicted 90 % region",
    "ECE": "ECE of the confidence",
    "spearman": "Spearman correlation of confidence and OKS",
    "AUSE": "AUSE",
}
"""Metrics of the card's table, where the run has them, and their names."""


TAGS = ("keypoint-detection", "pose-estimation", "uncertainty", "calibration")
"""What the Hub finds the model by."""

_FORM = ("model_hub_mixin", "pytorch_model_hub_mixin")  # the Hub's names for the way the files were written


def model_card(
    spec: ModelSpec, metrics: Mapping[str, Any], data: Mapping[str, str], license: str | None, name: str
) -> str:
    """Markdown with the Hub's header.

    Args:
        spec: what the model is built from.
        metrics: the run's ``metrics.json``; empty if it was not evaluated.
        data: what it was trained and validated on, see `data_named`.
        license: an identifier; None leaves the field out, for the author to fill in.
        name: the model's, with its owner on the Hub if it has one.
    """
    header = ["---", "library_name: poserior", "pipeline_tag: keypoint-detection"]
    header += [f"license: {json.dumps(license)}"] if license else []
    header += ["tags:", *(f"- {tag}" for tag in (*TAGS, *_FORM)), "---"]
    skeleton, head = spec.skeleton, str(spec.head.get("class_path", ""))
    height, width = spec.image_size
    facts = {
        "Head": head + _arguments(spec.head.get("init_args") or {}),
        "Backbone": str(spec.backbone.get("name", "")),
        "Crop": f"{height} x {width} pixels (height x width), {spec.box_padding:g} times the person's box",
        "Skeleton": f"{skeleton.name}, {skeleton.num_keypoints} keypoints",
        "Trained on": data.get("trained_on", "not recorded"),
        "Validated on": data.get("validated_on", "not recorded"),
    }
    for part, what in spec.fitted_on.items():
        facts[f"{part} fitted on"] = ", ".join(f"{key}: {value}" for key, value in what.items())
    return "\n".join(
        [
            *header,
            "",
            f"# {name.rpartition('/')[2]}",
            "",
            "Keypoints of people in given boxes, each with a probability density: its mode is the answer, its"
            " covariance the error bar, its expected OKS the confidence. Made with Poserior.",
            "",
            *(f"- **{key}**: {value}" for key, value in facts.items()),
            "",
            "## Measured",
            "",
            *_table(metrics),
            "",
            "## Use",
            "",
            "```python",
            "from poserior.hub import from_pretrained",
            "",
            f'predictor = from_pretrained("{name}")  # a folder, or owner/name on the Hub',
            '[people] = predictor(["picture.jpg"], boxes=[[[10.0, 20.0, 110.0, 220.0]]])  # x0 y0 x1 y1 in pixels',
            "person = people[0]",
            "person.keypoints, person.covariance, person.confidence",
            "```",
            "",
            "## Keypoints",
            "",
            ", ".join(skeleton.keypoints),
            "",
            "## Limits",
            "",
            "- It finds keypoints in boxes; it does not find people. The boxes come from a detector or from you.",
            "- All numbers above hold for data like the validation data. Elsewhere spread and confidence can be wrong:"
            " calibrate again on pictures of your own (`poserior calibrate`).",
            "- `left_` and `right_` are the person's own sides.",
            *([] if license else ["- The author has stated no licence; ask before use."]),
            "",
        ]
    )


def data_named(config: Mapping[str, Any]) -> dict[str, str]:
    """What a run was trained and validated on, as ``trained_on`` and ``validated_on``.

    Args:
        config: the run's ``config.yaml``. Paths are left out, for they are private.

    >>> data_named({"train_data": {"class_path": "Lsp", "init_args": {"root": "/home/me", "part": 2}}})
    {'trained_on': 'Lsp (part=2)'}
    """
    parts = {"trained_on": config.get("train_data"), "validated_on": config.get("val_data")}
    return {key: _data(part) for key, part in parts.items() if isinstance(part, Mapping)}


def _table(metrics: Mapping[str, Any]) -> list[str]:
    """The numbers that the run has."""
    found = {key: value for key in SHOWN if isinstance(value := metrics.get(key), int | float)}
    if not found:
        return ["Nothing: the run has no metrics.json."]
    rows = [
        f"| {SHOWN[key]} | {value:,d} |" if isinstance(value, int) else f"| {SHOWN[key]} | {value:.4g} |"
        for key, value in found.items()
    ]
    return ["| metric | value |", "|---|---|", *rows]


def _data(part: Mapping[str, Any]) -> str:
    """A data set's name and what tells it apart."""
    plain = {
        key: value
        for key, value in (part.get("init_args") or {}).items()
        if isinstance(value, int | float | bool) or (isinstance(value, list) and len(value) < 5)
    }
    return str(part.get("class_path", "?")).rpartition(".")[2] + _arguments(plain)


def _arguments(values: Mapping[str, Any]) -> str:
    return f" ({', '.join(f'{key}={value}' for key, value in values.items())})" if values else ""
