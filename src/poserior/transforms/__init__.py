"""`Sample` to `Sample`, `Scene` to `Scene`, and both to batches."""

from poserior.transforms.augment import Augment as Augment
from poserior.transforms.batch import collate as collate
from poserior.transforms.cropped import Cropped as Cropped
from poserior.transforms.scene import SceneAugment as SceneAugment
from poserior.transforms.scene import SceneTransform as SceneTransform
from poserior.transforms.scene_batch import collate_scenes as collate_scenes
from poserior.transforms.scene_items import SceneItems as SceneItems
from poserior.transforms.top_down import TopDown as TopDown
