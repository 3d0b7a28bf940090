"""The detectors against the truth of made-up videos: real files, 20 dB, matched within 50 ms."""

import numpy as np
import pytest

from sharder.bursts import BurstConfig
from sharder.detect import detect_in_source
from sharder.detectors import Config
from sharder.moi import MoiConfig
from sharder.sources import Source
from sharder.world import WorldSettings
from sharder.world.movie import write_movie
from sharder.world.script import write_script

TOLERANCE_SECONDS = 0.05


def matched(found: list[float], truth: list[float]) -> int:
    """How many true times have a found one of their own within the tolerance."""
    free, count = list(found), 0
    for time in truth:
        near = [one for one in free if abs(one - time) <= TOLERANCE_SECONDS]
        if near:
            free.remove(min(near, key=lambda one: abs(one - time)))
            count += 1
    return count


@pytest.fixture(scope="module")
def videos(tmp_path_factory: pytest.TempPathFactory) -> list[tuple[Source, list[float]]]:
    """Files, and the true times of each."""
    settings = WorldSettings(
        num_train_videos=4, num_test_videos=0, duration_seconds=30.0, width=96, height=64, fps=8,
        snr_db=20.0, seed=11,
    )  # fmt: skip
    made = []
    for index in range(settings.num_videos):
        script = write_script(settings, index)
        path = tmp_path_factory.getbasetemp() / f"{script.video_id}.mp4"
        write_movie(script, path)
        truth = [interaction.seconds for interaction in script.interactions]
        made.append((Source(script.video_id, str(path), named=True), truth))
    return made


@pytest.mark.parametrize("config, least", [(BurstConfig(), 0.95), (MoiConfig(), 0.9)])
def test_f1_at_20_db(
    videos: list[tuple[Source, list[float]]], config: Config, least: float
) -> None:
    hits = num_found = num_true = 0
    for source, truth in videos:
        found = [moment.seconds for moment in detect_in_source(source, config).moments]
        hits += matched(found, truth)
        num_found, num_true = num_found + len(found), num_true + len(truth)
    assert num_true > 20
    precision, recall = hits / num_found, hits / num_true
    assert 2 * precision * recall / (precision + recall) >= least, (precision, recall)


def test_matching_takes_each_found_time_once() -> None:
    assert matched([1.0], [0.98, 1.02]) == 1
    assert matched([1.0, 2.0], [1.06, 2.04]) == 1
    assert matched(list(np.arange(5.0)), list(np.arange(5.0))) == 5
