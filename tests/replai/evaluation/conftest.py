"""A second dataset, of videos with other names."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from replai.core.annotations import read_annotations
from sharder.engine import LocalEngine
from sharder.pack import pack
from sharder.sources import find_sources
from tests.worlds import PACK, PROFILE, SmallData


@pytest.fixture(autouse=True, scope="module")
def one_thread() -> Iterator[None]:
    """Threads that wait for each other cost more than they give to models as small as these."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


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
