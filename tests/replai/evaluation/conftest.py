"""A second dataset, of videos with other names."""

from pathlib import Path

import pytest

from replai.core.annotations import read_annotations
from sharder.engine import LocalEngine
from sharder.pack import pack
from sharder.sources import find_sources
from tests.worlds import PACK, PROFILE, SmallData


@pytest.fixture(scope="session")
def other_root(small_data: SmallData, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One of the small world's videos under another name, packed with its actions."""
    folder = tmp_path_factory.mktemp("other")
    video = sorted(small_data.videos.glob("*.mp4"))[0]
    (folder / f"other-{video.name}").symlink_to(video)
    actions = folder / "actions.csv"
    actions.write_text(
        small_data.annotations.read_text().replace(video.stem, f"other-{video.stem}")
    )
    sources = find_sources([str(folder)], with_audio_files=False)
    root = folder / "root"
    pack(
        sources,
        {},
        read_annotations(str(actions)),
        str(root),
        PROFILE,
        PACK,
        LocalEngine(1),
        "test",
    )
    return root
