import math

import pytest
import torch

from poserior import skeletons
from poserior.structures import Sample
from poserior.transforms import TopDown, collate

LSP = skeletons.load("lsp14")


def sample(number: int, head_size: float | None = None) -> Sample:
    return Sample(
        image=torch.randint(0, 256, (40, 50, 3), dtype=torch.uint8),
        keypoints=torch.rand(14, 2) * 40,
        visibility=torch.arange(14).remainder(3),
        box_xyxy=torch.tensor([5.0, 6.0, 30.0 + number, 38.0]),
        area=100.0 + number,
        skeleton=LSP,
        image_id=f"picture{number}",
        annotation_id=number,
        head_size=head_size,
    )


def test_a_batch_holds_what_its_crops_held() -> None:
    crops = [TopDown((24, 16))(sample(number, size)) for number, size in enumerate([None, 7.5, 9.0])]
    images, target = collate(crops)
    assert images.shape == (3, 3, 24, 16)
    assert images.dtype == torch.uint8
    assert torch.equal(images[1, 2], crops[1].image[..., 2])
    k = 4  # visibility 1
    x, y = crops[2].keypoints[k].tolist()
    assert target.keypoints[2, k].tolist() == pytest.approx([x / 16 - 0.5, y / 24 - 0.5])
    assert target.keypoints[:, 0].tolist() == [[0.0, 0.0]] * 3  # not labelled
    assert target.visibility[0].tolist() == crops[0].visibility.tolist()
    assert target.area.tolist() == [100.0, 101.0, 102.0]
    assert target.box_xyxy[2].tolist() == [5.0, 6.0, 32.0, 38.0]
    assert torch.equal(target.crop[1], crops[1].crop)
    assert target.image_id == ("picture0", "picture1", "picture2")
    assert target.annotation_id == (0, 1, 2)
    assert math.isnan(target.head_size[0])
    assert target.head_size[1:].tolist() == [7.5, 9.0]


def test_what_cannot_be_a_batch() -> None:
    with pytest.raises(ValueError, match="1 uncropped"):
        collate([sample(0)])
    with pytest.raises(ValueError, match="one size"):
        collate([TopDown((24, 16))(sample(0)), TopDown((24, 17))(sample(0))])
    with pytest.raises(ValueError, match="one size"):
        collate([])
