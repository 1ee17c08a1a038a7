"""Predicted people and boxes to files and pictures. Needs no torch."""

from poserior.outputs.box import Box, category_ids, detection_entry
from poserior.outputs.draw_boxes import draw_boxes
from poserior.outputs.files import read_annotations, read_results, write_json, write_json_list
from poserior.outputs.overlay import Ellipses, draw_people
from poserior.outputs.person import SCHEMA, Person, coco_entry, person_dict, region_key
from poserior.outputs.tables import TABLE_SUFFIXES, table_columns, write_table
from poserior.outputs.video import VideoWriter

__all__ = [
    "SCHEMA",
    "TABLE_SUFFIXES",
    "Box",
    "Ellipses",
    "Person",
    "VideoWriter",
    "category_ids",
    "coco_entry",
    "detection_entry",
    "draw_boxes",
    "draw_people",
    "person_dict",
    "read_annotations",
    "read_results",
    "region_key",
    "table_columns",
    "write_json",
    "write_json_list",
    "write_table",
]
