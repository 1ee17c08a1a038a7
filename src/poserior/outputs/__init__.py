"""Predicted people to files and pictures. Needs no torch."""

from poserior.outputs.files import read_annotations, read_results, replacing, write_json, write_json_list
from poserior.outputs.overlay import Ellipses, draw_people
from poserior.outputs.person import Person, coco_entry, person_dict, region_key

__all__ = [
    "Ellipses",
    "Person",
    "coco_entry",
    "draw_people",
    "person_dict",
    "read_annotations",
    "read_results",
    "region_key",
    "replacing",
    "write_json",
    "write_json_list",
]
