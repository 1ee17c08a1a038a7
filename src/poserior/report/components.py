"""The page of `analyses.describe_components`: what each component of a dense mixture is for, run by run."""

from collections.abc import Mapping

from poserior.analyses import Components
from poserior.report.component_accuracy import accuracy_sections
from poserior.report.component_names import component_names
from poserior.report.component_pictures import picture_sections
from poserior.report.component_scale import scale_sections
from poserior.report.component_speed import learning_sections, speed_sections
from poserior.report.component_view import spread_sections, view_sections
from poserior.report.page import Section, write_number


def components_sections(runs: Mapping[str, Components]) -> list[Section]:
    """Accuracy, scale, spread, view, keypoints, speed, learning, pictures: those that the runs have."""
    parts = (
        accuracy_sections,
        scale_sections,
        spread_sections,
        view_sections,
        speed_sections,
        learning_sections,
        picture_sections,
    )
    return [section for part in parts for section in part(runs)]


def components_lead(runs: Mapping[str, Components]) -> str:
    """What came out, run by run."""
    return " ".join(_lead(name, result) for name, result in runs.items())


def _lead(name: str, result: Components) -> str:
    accuracy = result.average_precision.get("all", {}).get("AP", float("nan"))
    parts = [f"{name}: AP {write_number(100 * accuracy, 1)}"]
    if result.scale is None:
        return f"{parts[0]}, a single mode."
    used = int((result.scale.rate > 0.01).sum())
    parts.append(f"{used} of {result.components} components make more than 1 % of the predictions")
    parts.append(f"component and scale correlate by {write_number(result.scale.pearson)}")
    if result.view is not None and result.view.known:
        best = int(result.view.phi.nan_to_num(0).abs().argmax())
        label = component_names(result)[best]
        parts.append(f"component {label} and facing the camera by {write_number(float(result.view.phi[best]))}")
    return f"{'; '.join(parts)}."
