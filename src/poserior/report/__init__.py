"""Evaluations and analyses to self-contained HTML pages; the only place that imports matplotlib."""

from poserior.report.analysis import analysis_lead, write_analysis
from poserior.report.html import write_report

__all__ = ["analysis_lead", "write_analysis", "write_report"]
