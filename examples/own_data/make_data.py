"""A small set of one's own: drawn scissors with five keypoints, labelled in one CSV table.

python examples/own_data/make_data.py [FOLDER] [PICTURES]
"""

import csv
import sys
from pathlib import Path

import cv2
import numpy as np

KEYPOINTS = ("pivot", "left_tip", "right_tip", "left_ring", "right_ring")


def scissors(rng: np.random.Generator, height: int = 160, width: int = 200) -> tuple[np.ndarray, np.ndarray, float]:
    """A picture, the keypoints in continuous pixels, and the scissors' length."""
    noise = rng.integers(0, 256, (height // 20, width // 20, 3)).astype(np.uint8)
    image = cv2.resize(noise, (width, height), interpolation=cv2.INTER_CUBIC) // 2 + 100
    length, angle, opening = rng.uniform(55, 95), rng.uniform(-np.pi / 3, np.pi / 3), rng.uniform(0.15, 0.6)
    centre = np.array([rng.uniform(0.35, 0.65) * width, rng.uniform(0.4, 0.6) * height])

    def at(turn: float, far: float) -> np.ndarray:
        return centre + far * length * np.array([np.sin(angle + turn), -np.cos(angle + turn)])

    # seen from above with the tips up; each blade's ring lies on the other side
    points = np.array([centre, at(-opening, 0.6), at(opening, 0.6), at(-opening, -0.45), at(opening, -0.45)])
    points[[3, 4]] = points[[4, 3]]
    steel, handle = rng.integers(150, 230), [int(value) for value in rng.integers(20, 110, 3)]

    def pixel(point: np.ndarray) -> tuple[int, int]:
        return round(float(point[0] - 0.5) * 16), round(float(point[1] - 0.5) * 16)

    thick = max(round(length / 14), 3)
    for tip, ring in ((1, 4), (2, 3)):
        cv2.line(image, pixel(points[tip]), pixel(centre), (int(steel),) * 3, thick, cv2.LINE_AA, 4)
        cv2.line(image, pixel(centre), pixel(points[ring]), handle, thick, cv2.LINE_AA, 4)
        cv2.circle(image, pixel(points[ring]), round(length / 9 * 16), handle, thick - 1, cv2.LINE_AA, 4)
    cv2.circle(image, pixel(centre), round(length / 30 * 16), (30, 30, 30), -1, cv2.LINE_AA, 4)
    return image, points, length


def main() -> None:
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else Path("own_data")
    count = int(sys.argv[2]) if len(sys.argv) > 2 else 20
    rng = np.random.default_rng(0)
    (folder / "images").mkdir(parents=True, exist_ok=True)
    with (folder / "labels.csv").open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        table.writerow(["image", *(f"{name}_{axis}" for name in KEYPOINTS for axis in "xy")])
        for n in range(count):
            image, points, length = scissors(rng)
            name = f"bench{n // 10}_{n:04d}.jpg"  # ten shots of each bench: --group keeps them together
            cv2.imwrite(str(folder / "images" / name), image)
            clicked = points - 0.5 + rng.normal(0, 0.008 * length, points.shape)  # pixel indices, and a human hand
            table.writerow([name, *clicked.round(1).ravel().tolist()])
    print(f"{count} pictures and labels.csv are in {folder}")


if __name__ == "__main__":
    main()
