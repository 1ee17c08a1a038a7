"""Pictures and the self-contained HTML report; the only place that imports matplotlib."""

from poserior.report.html import write_report

__all__ = ["write_report"]
