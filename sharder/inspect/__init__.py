"""`sharder inspect`: a page with pictures and sound about one video, or about one dataset.

video     hearing ─► moments ─► closeup (frames, sound around a moment)  ─► *_picture ─► page
dataset   index, stored (a seeded draw of its segments) ─────────────────► *_picture ─► page
"""
