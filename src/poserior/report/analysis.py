"""`write_analysis`: what `poserior analyse` shows of each subject."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from poserior.report.components import components_lead, components_sections
from poserior.report.confidence import confidence_lead, confidence_sections
from poserior.report.joints import flow_lead, flow_sections
from poserior.report.laws import density_lead, density_sections
from poserior.report.occlusion import occlusion_lead, occlusion_sections
from poserior.report.page import Section, write_page
from poserior.report.truncation import truncation_lead, truncation_sections

_SUBJECTS: dict[str, tuple[str, Callable[[Any], str], Callable[[Any], list[Section]]]] = {
    "occlusion": ("What an occluded keypoint does to the others", occlusion_lead, occlusion_sections),
    "truncation": ("When the picture ends early", truncation_lead, truncation_sections),
    "density": ("The law of the errors", density_lead, density_sections),
    "flow": ("One law for all keypoints?", flow_lead, flow_sections),
    "confidence": ("Does the confidence fall with the accuracy?", confidence_lead, confidence_sections),
    "components": ("What each component is for", components_lead, components_sections),
}


def analysis_lead(subject: str, results: Mapping[str, Any]) -> str:
    """What came out, in a sentence or two per run."""
    return _SUBJECTS[subject][1](results)


def write_analysis(subject: str, results: Mapping[str, Any], output: Path, facts: Mapping[str, str]) -> Path:
    """Write the page of one subject.

    Args:
        subject: "occlusion", "truncation", "density", "flow", "confidence" or "components".
        results: run name to what the function of that name in `poserior.analyses` gave (flow: `joint_errors`,
            components: `describe_components`).
        output: the file to write; its folder is made.
        facts: what a reader needs to repeat it.

    Returns:
        `output`.
    """
    title, lead, sections = _SUBJECTS[subject]
    return write_page(output, title, lead(results), sections(results), facts, f"Poserior analysis · {subject}")
