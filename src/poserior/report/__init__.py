"""Pictures and the self-contained HTML report; the only place that imports matplotlib."""

from poserior.report.densities import DensityProblem, Learned, write_density_report, write_density_sheet
from poserior.report.html import write_report

__all__ = ["DensityProblem", "Learned", "write_density_report", "write_density_sheet", "write_report"]
