"""The report's first sentence, made from the numbers alone: it praises nothing that was not measured."""

from collections.abc import Sequence

from poserior.report.method import Method
from poserior.report.tables import METRICS, as_number


def headline(methods: Sequence[Method]) -> str:
    """One sentence on the method in focus (the first), beside the second where there is one."""
    focus, other = methods[0], methods[1] if len(methods) > 1 else None
    parts = [part for part in (_accuracy(focus, other), _coverage(focus, other), _ranking(focus, other)) if part]
    if not parts:
        people = len(focus.evaluation.image_id)
        return f"{focus.name} on {people} people."
    return f"{focus.name} {_join(parts)}."


def _accuracy(focus: Method, other: Method | None) -> str:
    for key, noun in (("AP", "AP"), ("PCK@0.2", "PCK@0.2"), ("EPE", "a mean error of")):
        mine, theirs = _pair(focus, other, key)
        if mine is None:
            continue
        write = METRICS[key].write
        text = f"reaches {noun} {write(mine)}"
        return text + (f" ({other.name}: {write(theirs)})" if other and theirs is not None else "")
    return ""


def _coverage(focus: Method, other: Method | None) -> str:
    mine, theirs = _pair(focus, other, "coverage@90")
    if mine is None:
        return ""
    write = METRICS["coverage@90"].write
    text = f"holds {write(mine)} of the labels inside its 90 % regions"
    return text + (f" ({other.name}: {write(theirs)})" if other and theirs is not None else "")


def _ranking(focus: Method, other: Method | None) -> str:
    mine, theirs = _pair(focus, other, "spearman")
    if mine is None:
        return ""
    verdict = "knows well" if mine >= 0.6 else "knows to a degree" if mine >= 0.3 else "hardly knows"
    write = METRICS["spearman"].write
    beside = f"; {other.name}: {write(theirs)}" if other and theirs is not None else ""
    return f"{verdict} which of its points are good (rank correlation {write(mine)}{beside})"


def _pair(focus: Method, other: Method | None, key: str) -> tuple[float | None, float | None]:
    return as_number(focus.metrics.get(key)), as_number(other.metrics.get(key)) if other else None


def _join(parts: Sequence[str]) -> str:
    return parts[0] if len(parts) == 1 else ", ".join(parts[:-1]) + " and " + parts[-1]
