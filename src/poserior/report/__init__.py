"""Pictures and the self-contained HTML report; the only place that imports matplotlib."""
