"""Evaluations and analyses to self-contained HTML pages; the only place that imports matplotlib."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # a page of results needs no network, but the analyses' do: loaded when first asked for
    from poserior.report.analysis import analysis_lead, write_analysis
    from poserior.report.densities import DensityProblem, Learned, write_density_report, write_density_sheet
    from poserior.report.html import write_report

__all__ = [
    "DensityProblem",
    "Learned",
    "analysis_lead",
    "write_analysis",
    "write_density_report",
    "write_density_sheet",
    "write_report",
]

_PLACES = {
    "DensityProblem": "densities",
    "Learned": "densities",
    "analysis_lead": "analysis",
    "write_analysis": "analysis",
    "write_density_report": "densities",
    "write_density_sheet": "densities",
    "write_report": "html",
}


def __getattr__(name: str) -> Any:
    """The names above, imported when first asked for."""
    if name not in _PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"poserior.report.{_PLACES[name]}"), name)
