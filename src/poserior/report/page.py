"""A page of a few pictures, each with what it means: what `poserior analyse` writes."""

import os
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from markupsafe import Markup

from poserior.report.html import page_environment


@dataclass(frozen=True)
class Figure:
    """One picture: its heading, the drawing, and what the axes and marks are."""

    title: str
    drawing: Markup
    caption: str
    wide: bool = False


@dataclass(frozen=True)
class Table:
    """Numbers, as text; the first column is the rows' names."""

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    open: bool = False


@dataclass(frozen=True)
class Section:
    """One part of a page.

    Attributes:
        title: its heading.
        says: what is seen, in two plain sentences.
        figures: the pictures.
        tables: the numbers.
        legend: (kind, series number or variable, text): kind is "", "dash", "dot" or "fill".
    """

    title: str
    says: str
    figures: Sequence[Figure] = ()
    tables: Sequence[Table] = ()
    legend: Sequence[tuple[str, str, str]] = field(default=())


def write_page(
    output: Path, title: str, lead: str, sections: Sequence[Section], facts: Mapping[str, str], kicker: str
) -> Path:
    """Write a self-contained page (no script, no request to anywhere), whole or not at all.

    Args:
        output: the file; its folder is made.
        title: the page's.
        lead: what came out, in two sentences.
        sections: its parts.
        facts: what a reader needs to repeat it.
        kicker: a line above the title.
    """
    text = (
        page_environment()
        .get_template("page.html.j2")
        .render(title=title, lead=lead, sections=sections, facts=facts, kicker=kicker)
    )
    output.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=output.parent, prefix=f".{output.name}-")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
        Path(temporary).chmod(0o644)
        Path(temporary).replace(output)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
    return output


def write_number(value: float, digits: int = 2) -> str:
    """A number as text; a dash where there is none.

    >>> write_number(1.234), write_number(float("nan"))
    ('1.23', '-')
    """
    return "-" if value != value else f"{value:.{digits}f}"  # only nan differs from itself
