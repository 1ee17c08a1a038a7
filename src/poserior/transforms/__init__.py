"""`Sample` to `Sample`."""

from poserior.transforms.augment import Augment as Augment
from poserior.transforms.batch import collate as collate
from poserior.transforms.cropped import Cropped as Cropped
from poserior.transforms.top_down import TopDown as TopDown
