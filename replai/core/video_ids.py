"""Names of videos, as files, annotations and people write them."""

from __future__ import annotations

import unicodedata
from pathlib import PurePosixPath

VIDEO_EXTENSIONS = frozenset(
    {
        ".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi", ".mpg", ".mpeg", ".ts", ".mts", ".m2ts",
        ".flv", ".wmv", ".3gp", ".ogv",
    }
)  # fmt: skip


def normal_id(name: str) -> str:
    """`name` as composed Unicode (NFC): macOS writes `é` as two characters, others as one."""
    return unicodedata.normalize("NFC", name)


def plain_id(video_id: str) -> str:
    """`video_id` without what people put there by mistake: a folder, an extension, capitals."""
    path = PurePosixPath(video_id.strip().replace("\\", "/"))
    known = path.suffix.lower() in VIDEO_EXTENSIONS
    return (path.stem if known else path.name).casefold()
