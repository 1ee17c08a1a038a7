"""Evaluations and analyses to self-contained HTML pages; the only place that imports matplotlib."""

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
