"""Scenes to a batch."""

from collections.abc import Sequence

import torch
from torch import Tensor

from poserior.scenes import Scene, SceneBatch
from poserior.transforms.batch import planes


def collate_scenes(scenes: Sequence[Scene], max_objects: int = 128) -> SceneBatch:
    """Transformed pictures of one size to one batch; places without an object hold zeros.

    Of a picture with more than `max_objects` objects those of the largest `area` count, in their old order; the
    boxes of the others join the crowd, so that finding them is not held against anybody.

    Raises:
        ValueError: no scenes, scenes that were not transformed, of different sizes, or with different keypoints.
    """
    sizes = {tuple(scene.image.shape[:2]) for scene in scenes}
    points = {scene.keypoints.shape[1] for scene in scenes}
    affines = [scene.affine for scene in scenes if scene.affine is not None]
    if len(sizes) != 1 or len(points) != 1 or len(affines) != len(scenes):
        raise ValueError(
            f"expected transformed pictures of one size and one skeleton, found the sizes {sorted(sizes)}, the numbers"
            f" of keypoints {sorted(points)} and {len(scenes) - len(affines)} not transformed; apply SceneTransform"
        )
    ((height, width),) = sizes
    chosen = [_largest(scene.area, max_objects) for scene in scenes]
    kept = list(zip(scenes, chosen, strict=True))
    count = max(1, *(int(keep.sum()) for keep in chosen))
    crowds = [torch.cat([scene.crowd_xyxy, scene.box_xyxy[~keep]]) for scene, keep in kept]
    names = sorted({name for scene in scenes for name in scene.facts})
    unknown = [scene.area.new_full(scene.area.shape, torch.nan) for scene in scenes]
    facts = {
        name: _filled(
            [scene.facts.get(name, missing)[keep] for (scene, keep), missing in zip(kept, unknown, strict=True)],
            count,
        )
        for name in names
    }
    return SceneBatch(
        images=planes([scene.image.numpy() for scene in scenes], (height, width)),
        box_xyxy=_filled([scene.box_xyxy[keep] for scene, keep in kept], count),
        category=_filled([scene.category[keep] for scene, keep in kept], count),
        keypoints=_filled([scene.keypoints[keep] for scene, keep in kept], count),
        visibility=_filled([scene.visibility[keep] for scene, keep in kept], count),
        area=_filled([scene.area[keep] for scene, keep in kept], count),
        annotation_id=_filled([scene.annotation_id[keep] for scene, keep in kept], count),
        present=_filled([keep[keep] for keep in chosen], count),
        crowd_xyxy=_filled(crowds, max(map(len, crowds))),
        affine=torch.stack(affines),
        image_id=tuple(scene.image_id for scene in scenes),
        original_size=tuple(scene.original_size for scene in scenes),
        facts=facts,
    )


def _largest(area: Tensor, count: int) -> Tensor:
    """Which objects count: all, or the `count` largest."""
    keep = torch.ones(len(area), dtype=torch.bool)
    if len(area) > count:
        keep[torch.argsort(area, descending=True, stable=True)[count:]] = False
    return keep


def _filled(rows: Sequence[Tensor], count: int) -> Tensor:
    """Tensors ``(N_i, ...)`` as one ``(B, count, ...)``."""
    batch = rows[0].new_zeros((len(rows), count, *rows[0].shape[1:]))
    for place, row in zip(batch, rows, strict=True):
        place[: len(row)] = row
    return batch
