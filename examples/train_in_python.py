"""Train on one's own data set without a configuration file, and predict with covariances.

python examples/train_in_python.py
"""

import tempfile
from pathlib import Path

import poserior
from poserior.datasets import Figures
from poserior.training import Backbone, Budget, Config, Hardware, Loader, Optimiser, train


def main() -> None:
    # anything with a skeleton, a length and samples by index can stand here: see poserior.datasets.KeypointDataset
    people, others = Figures(length=64, seed=0), Figures(length=16, seed=1)
    config = Config(
        head={"class_path": "Laplace", "init_args": {}},
        image_size=(64, 64),
        backbone=Backbone("test_resnet"),
        optimiser=Optimiser(lr=2e-3, warmup=5, ema=0.9),
        budget=Budget(epochs=3),
        loader=Loader(batch_size=16, workers=0),
        hardware=Hardware(accelerator="cpu"),
    )
    with tempfile.TemporaryDirectory() as folder:
        run = train(config, Path(folder) / "run", data=(people, others))
        print((run / "log.csv").read_text())
        predictor = poserior.load(run)
        sample = others[0]
        ((person,),) = predictor([sample.image], [sample.box_xyxy[None]])
        for name, point, spread in zip(
            person.skeleton.keypoints, person.keypoints.tolist(), person.covariance, strict=True
        ):
            print(f"{name:15s} ({point[0]:6.1f}, {point[1]:6.1f})  +- {spread.trace().item() ** 0.5:.1f} px")


if __name__ == "__main__":
    main()
