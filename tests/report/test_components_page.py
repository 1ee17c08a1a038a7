import re

import pytest
import torch

from poserior import skeletons
from poserior.analyses import (
    FoundObjects,
    LearningCurve,
    Shown,
    Timing,
    TrueObjects,
    describe_components,
)
from poserior.report import analysis_lead, write_analysis

COCO17 = skeletons.load("coco17")


def generated(modes=3, skeleton=COCO17, count=400, seed=0, name="one"):
    """Predictions whose component follows scale (boxes) or viewpoint (poses), beside their truth."""
    rng = torch.Generator().manual_seed(seed)
    keypoints = 0 if skeleton is None else skeleton.num_keypoints
    scale = 2 ** (4 + 4 * torch.rand(count, generator=rng))
    facing = torch.where(torch.rand(count, generator=rng) < 0.7, 1.0, -1.0)
    visibility = torch.randint(0, 3, (count, keypoints), generator=rng)
    if skeleton is None:
        component = torch.bucketize(scale, torch.tensor([40.0, 110.0]), right=False).clamp(max=modes - 1)
        component = (modes - 1 - component) % modes  # the head's order is not the scale's
    else:
        visibility[:, 0] = torch.where(facing > 0, 2, 0)
        component = ((facing < 0) ^ (torch.rand(count, generator=rng) < 0.1)).long() % modes
    offsets = torch.randn(count, keypoints, 2, generator=rng)
    if skeleton is not None:
        left = [skeleton.index(a) for a, _ in skeleton.flip_pairs]
        right = [skeleton.index(b) for _, b in skeleton.flip_pairs]
        offsets[:, left, 0] += facing[:, None]
        offsets[:, right, 0] -= facing[:, None]
    found = FoundObjects(
        torch.rand(count, generator=rng),
        torch.randint(0, 4, (count,), generator=rng),
        component,
        torch.nn.functional.one_hot(component, modes).float(),
        scale * 2 ** (0.2 * torch.randn(count, generator=rng)),
        torch.rand(count, 2, generator=rng) * 10 if modes > 1 else torch.full((count, 2), torch.nan),
        offsets,
        torch.arange(count),
    )
    truth = TrueObjects(scale, torch.randint(0, 4, (count,), generator=rng), visibility, facing)
    sizes = ("AP", "AP50", "AP75", "APM", "APL") if skeleton else ("AP", "AP50", "AP75", "APS", "APM", "APL")
    rows = ["all", *map(str, range(1, modes + 1))] if modes > 1 else ["all"]
    accuracy = {row: {key: (0.5 + 0.04 * i) / (1 + r) for i, key in enumerate(sizes)} for r, row in enumerate(rows)}
    parts = ("all", "facial", "nose", "hips")
    points = torch.tensor([40.0, 30.0]) + 12 * torch.randn(2, keypoints, 2, generator=rng)
    shown = Shown(
        "picture <7>",
        torch.randint(90, 200, (70, 110, 3), generator=rng).to(torch.uint8),
        torch.tensor([[10.0, 8.0, 70.0, 60.0], [60.0, 20.0, 100.0, 50.0]]),
        torch.tensor([0.91, 0.45]),
        torch.tensor([0, modes - 1]),
        ("person", "a & b"),
        points,
        torch.eye(2).expand(2, keypoints, 2, 2) * 6,
    )
    return describe_components(
        found,
        found,
        truth,
        ("person", "ball", "box", "cup"),
        skeleton,
        average_precision=accuracy,
        subsets={} if skeleton is None else {part: {"AP": 0.5 + 0.1 * i} for i, part in enumerate(parts)},
        displaced={} if skeleton is None else {"2 px": {part: 0.8 + 0.05 * i for i, part in enumerate(parts)}},
        timings=(Timing("512", 0.1, 0.4), Timing("512f", 0.21, 0.42), Timing("768", 0.24, 0.41)),
        learning=LearningCurve((1, 2, 3), {"loss": (3.0, 2.0, 1.5), "AP": (0.1, 0.3, 0.4)}),
        shown=(shown,),
    )


def page_of(runs, tmp_path):
    page = write_analysis("components", runs, tmp_path / "components.html", {"Data": "generated"})
    text = page.read_text(encoding="utf-8")
    assert "http://" not in text.replace("http://www.w3.org", "")
    assert "<script" not in text
    return text


def headings(text):
    return re.findall(r"<h2>(.*?)</h2>", text)


ALL = [
    "One component for everything",
    "Which keypoints?",
    "Scale",
    "How unsure, and which side is left",
    "What is seen of people",
    "Speed and accuracy",
    "Convergence",
    "Pictures",
]


def test_a_run_of_poses_has_every_section(tmp_path):
    text = page_of({"MDN": generated(), "base": generated(modes=1)}, tmp_path)
    assert headings(text) == ALL
    assert "picture &lt;7&gt;" in text
    assert "a &amp; b, score 0.45, component 3" in text
    assert "1 (front)" in text
    assert "2 (back)" in text
    assert "truth displaced by 2 px" in text
    assert text.count("data:image/jpeg") == 2
    row = re.search(r'<th scope="row">MDN</th><td>1 \(front\)</td><td>([\d.]+)</td>', text)
    assert float(row[1]) == pytest.approx(100 * 0.5 / 2, abs=0.05)  # AP of component 1 alone


def test_boxes_have_no_sections_of_poses_and_components_by_scale(tmp_path):
    result = generated(skeleton=None)
    text = page_of({"boxes": result}, tmp_path)
    assert headings(text) == [ALL[0], "Scale", "How unsure", *ALL[5:]]
    assert "positive x" not in text
    assert "<ellipse" not in text
    assert result.scale.order.tolist() == [2, 1, 0]
    # the head's component 2 has the smallest objects: the page calls it 1, and its AP alone comes first
    first = re.search(r'<th scope="row">boxes</th><td>1</td><td>([\d.]+)</td>', text)
    assert float(first[1]) == pytest.approx(100 * 0.5 / 4, abs=0.05)
    assert "component 1" in re.search(r"a &amp; b, score 0.45, component \d", text)[0]


def test_a_single_mode_has_no_sections_of_components(tmp_path):
    text = page_of({"base": generated(modes=1, skeleton=None)}, tmp_path)
    assert headings(text) == ["One component for everything", "Speed and accuracy", "Convergence", "Pictures"]
    assert "a single mode" in analysis_lead("components", {"base": generated(modes=1, skeleton=None)})


def test_the_lead_says_what_came_out():
    result = generated()
    lead = analysis_lead("components", {"MDN": result})
    assert lead.startswith("MDN: AP 50.0; 2 of 3 components make more than 1 % of the predictions;")
    phi = float(result.view.phi[0])
    assert phi > 0.6
    assert f"component 1 (front) and facing the camera by {phi:.2f}." in lead
