"""What a check says: one thing that is wrong, how often, where, and what to do."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from itertools import islice
from typing import Any

SEVERITIES = ("error", "warning", "hint")
"""``error``: training would refuse it, or learn or measure something false. ``warning``: most probably a mistake.
``hint``: worth a look, often as it should be."""

EXAMPLES = 20
"""At most so many examples are kept of each finding."""


@dataclass(frozen=True)
class Finding:
    """One thing that a check found.

    Attributes:
        check: the check's name, also its place in the documentation.
        severity: one of `SEVERITIES`.
        what: what is wrong, one sentence.
        count: how often.
        examples: where, by ids; the worst or the first `EXAMPLES`.
        advice: what to do about it.
    """

    check: str
    severity: str
    what: str
    count: int
    examples: tuple[str, ...]
    advice: str

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {**asdict(self), "examples": list(self.examples)}


def finding(check: str, severity: str, what: str, examples: Iterable[object], advice: str, count: int) -> list[Finding]:
    """The finding if there is something to say, as a list: empty where `count` is 0.

    >>> finding("boxes", "error", "{} boxes are empty", ["annotation 3"], "remove them", 1)[0].what
    '1 boxes are empty'
    """
    if not count:
        return []
    shown = tuple(str(example)[:120] for example in islice(examples, EXAMPLES))
    return [Finding(check, severity, what.format(f"{count:,}"), count, shown, advice)]


def by_severity(findings: Iterable[Finding]) -> list[Finding]:
    """Errors first, then warnings, then hints; the most frequent first within each."""
    return sorted(findings, key=lambda found: (SEVERITIES.index(found.severity), -found.count))
