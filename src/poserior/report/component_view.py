"""Spread and offsets by component, and what is seen of people against component."""

from collections.abc import Mapping

from poserior.analyses import Components
from poserior.report.component_names import component_names, component_order
from poserior.report.page import Section, Table, write_number


def spread_sections(runs: Mapping[str, Components]) -> list[Section]:
    """How unsure each component is, and where it puts left and right."""
    if all(result.spread is None for result in runs.values()):
        return []
    sided = any(result.skeleton is not None for result in runs.values())
    columns = ["run", "component", "share, %", "std in x, px", "std in y, px"]
    if sided:
        columns += [f"{side}, positive {axis}, %" for side in ("left", "right") for axis in "xy"]
    rows = []
    for name, result in runs.items():
        if (split := result.spread) is None:
            continue
        labels = component_names(result)
        for m in component_order(result):
            spreads = [
                f"{write_number(float(split.mean[m, d]), 1)} ({write_number(float(split.std[m, d]), 1)})"
                for d in (0, 1)
            ]
            sides = [write_number(100 * float(part[m, d]), 1) for part in (split.left, split.right) for d in (0, 1)]
            share = write_number(100 * float(split.rate[m]), 1)
            rows.append([name, labels[m], share, *spreads, *(sides if sided else [])])
    says = (
        "Mean (and standard deviation over predictions) of the spread each component states, in pixels of the original"
        " picture."
    )
    if sided:
        says += (
            " From the middle of a person who faces the camera the left keypoints lie at positive x, seen from behind"
            " at negative x: a component with unequal shares is made for one view, and is called by it."
        )
    title = "How unsure, and which side is left" if sided else "How unsure"
    return [Section(title, says, (), [Table("By component", columns, rows, open=True)])]


def view_sections(runs: Mapping[str, Components]) -> list[Section]:
    """Visibility of keypoints and face beside the components' shares, and the known viewpoint."""
    parts = {name: (result, result.view) for name, result in runs.items() if result.view is not None}
    if not parts:
        return []
    truth, shares, facing = [], [], []
    _, first = next(iter(parts.values()))
    for i, (least, score) in enumerate((("more than 5", "0.5"), ("10 or more", "0.7"))):
        truth.append(
            [
                f"{least} labels",
                str(int(first.people[i])),
                *(write_number(100 * float(v[i]), 1) for v in (first.occluded, 1 - first.occluded)),
                *(write_number(100 * float(v[i]), 1) for v in (1 - first.face, first.face)),
            ]
        )
        for name, (result, split) in parts.items():
            labels = component_names(result)
            listed = [f"{labels[m]}: {write_number(100 * float(split.rate[i, m]), 1)}" for m in component_order(result)]
            shares.append([name, f"at least {score}", str(int(split.predictions[i])), ", ".join(listed)])
    for name, (result, split) in parts.items():
        labels = component_names(result)
        for m in component_order(result):
            facing.append(
                [name, labels[m]] + [write_number(float(v[m])) for v in (split.front, split.phi, split.face_phi)]
            )
    told = "; ".join(
        f"{name}: the leading component tells {write_number(split.information)} of {write_number(split.entropy)} bits"
        f" of whether one of {split.known} people faces the camera"
        for name, (_, split) in parts.items()
        if split.known
    )
    says = (
        "If components divide people by viewpoint, their shares follow the faces': a face counts as visible where the"
        " nose is labelled visible. Correlations are over the annotated people, of the component that leads at their"
        " centre."
    )
    return [
        Section(
            "What is seen of people",
            f"{says} {told}." if told else says,
            (),
            [
                Table(
                    "Annotated people",
                    ["", "people", "occluded keypoints, %", "visible, %", "face hidden, %", "face visible, %"],
                    truth,
                    open=True,
                ),
                Table("Components taken", ["run", "score", "predictions", "share by component, %"], shares, open=True),
                Table(
                    "Component and viewpoint",
                    ["run", "component", "share facing the camera", "phi, facing", "phi, face visible"],
                    facing,
                    open=True,
                ),
            ],
        )
    ]
