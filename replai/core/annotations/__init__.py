"""Labelled actions: what annotation files say, and what of it fits the sources.

labels.py     a labelled action as its file has it; class lists
files.py      the file's format, told from the file itself → its reader
  epic.py     EPIC-Kitchens-100: actions, class lists, video_info
  plain.py    a plain CSV in seconds
  ego4d.py    Ego4D: fho_main.json, fho_lta_*.json, taxonomy, ego4d.json
    companion.py              lists that stand beside the actions
    tables.py json_items.py   CSV rows with their lines; a JSON file piece by piece
check.py      labels, sources, lengths → the actions that fit, and findings.py: what is wrong
"""

from replai.core.annotations.check import check
from replai.core.annotations.files import is_json, read_annotations
from replai.core.annotations.findings import CheckedAnnotations
from replai.core.annotations.labels import Annotations, Classes, Label, with_class_ids

__all__ = [
    "Annotations",
    "CheckedAnnotations",
    "Classes",
    "Label",
    "check",
    "is_json",
    "read_annotations",
    "with_class_ids",
]
