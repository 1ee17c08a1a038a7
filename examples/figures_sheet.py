"""A sheet of synthetic people, as in docs/data.md.

python examples/figures_sheet.py [FILE.jpg]
"""

import sys
import tempfile
from pathlib import Path

import cv2
import numpy as np

from poserior.datasets import Figures


def sheet(rows: int = 3, columns: int = 9) -> np.ndarray:
    people = Figures(length=rows * columns, seed=3, picture_size=(240, 180))
    pictures = [people[index].image.numpy() for index in range(len(people))]
    return np.vstack([np.hstack(pictures[row * columns : (row + 1) * columns]) for row in range(rows)])


def main() -> None:
    file = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(tempfile.gettempdir()) / "figures.jpg"
    cv2.imwrite(str(file), sheet()[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 82])
    print(file)


if __name__ == "__main__":
    main()
