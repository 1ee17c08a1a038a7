"""Files to `Sample` and `Scene`: one data set, one file."""

from poserior.datasets.base import KeypointDataset as KeypointDataset
from poserior.datasets.coco import CocoKeypoints as CocoKeypoints
from poserior.datasets.coco_scenes import CocoScenes as CocoScenes
from poserior.datasets.face import FaceKeypoints as FaceKeypoints
from poserior.datasets.figure_scenes import FigureScenes as FigureScenes
from poserior.datasets.figures import Figures as Figures
from poserior.datasets.lsp import Lsp as Lsp
from poserior.datasets.mpii import Mpii as Mpii
from poserior.datasets.repeated import Repeats as Repeats
from poserior.datasets.repeated import repeated_people as repeated_people
from poserior.datasets.repeated import skeleton_of as skeleton_of
from poserior.datasets.scene_base import SceneDataset as SceneDataset
from poserior.datasets.scene_files import write_scene_coco as write_scene_coco
from poserior.datasets.shard_files import write_shards as write_shards
from poserior.datasets.shards import Shards as Shards
from poserior.datasets.simple_objects import SimpleObjects as SimpleObjects
