"""A dataset root, read again: does every byte, number and picture agree with what is said of it?

The tars are walked from front to back and the index is made anew from them; where that differs
from `index.parquet`, `shards.json`, the offsets or Energon's files, a fault is named. Nothing is
unpickled or executed, names in a tar never become paths, and no damage ends the reading.
"""
