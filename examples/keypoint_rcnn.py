"""Find people and their keypoints in one network: torchvision's R-CNN with an RLE head, on generated scenes.

python examples/keypoint_rcnn.py [steps] [picture.jpg]
"""

import sys

import torch

from poserior import rcnn
from poserior.datasets import Figures


def main(steps: int = 6, overlay: str | None = None) -> None:
    torch.manual_seed(0)
    scenes = Figures(length=16, seed=0, picture_size=(96, 128), people=(1, 3), supersample=1)
    pictures = [rcnn.detection_targets(people) for people in map(scenes.scene, range(len(scenes))) if people]
    # Few and small for a quick look; "resnet50", layers=8, channels=512 and full-size pictures for the real thing.
    model = rcnn.keypoint_rcnn(
        "resnet18", layers=2, channels=64, min_size=96, max_size=128, box_batch_size_per_image=32,
        rpn_pre_nms_top_n_train=200, rpn_post_nms_top_n_train=100, rpn_pre_nms_top_n_test=100,
        rpn_post_nms_top_n_test=20, box_detections_per_img=5,
    )  # fmt: skip
    optimiser = torch.optim.AdamW(model.parameters(), 5e-4)
    model.train()
    for step in range(steps):
        batch = [pictures[i] for i in torch.randint(len(pictures), (4,)).tolist()]
        losses = model([image for image, _ in batch], [target for _, target in batch])
        optimiser.zero_grad()
        sum(losses.values()).backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 5.0)
        optimiser.step()
        if step % max(steps // 6, 1) == 0:
            print(step, "  ".join(f"{name[5:]} {value.item():.2f}" for name, value in losses.items()))
    image = pictures[0][0]
    (people,) = model.predict([image])
    for person in people[:3]:
        spread = person.covariance.diagonal(dim1=-2, dim2=-1).sum(-1).sqrt()
        print(f"score {person.score:.2f}, box {person.box_xyxy.round().tolist()}, nose +- {spread[0]:.1f} px")
    if overlay is not None:
        import cv2

        from poserior.inference import draw_people

        pixels = (image * 255).byte().permute(1, 2, 0).numpy()
        cv2.imwrite(overlay, draw_people(pixels, people[:3])[..., ::-1])


if __name__ == "__main__":
    main(*[int(word) for word in sys.argv[1:2]], *sys.argv[2:3])
