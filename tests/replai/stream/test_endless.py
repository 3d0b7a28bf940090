"""A sample whose decoding does not end costs its place, and nothing else."""

from __future__ import annotations

import json
import multiprocessing
import os
import time
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from torch.utils.data import get_worker_info

from replai.core.index import open_index
from replai.stream.quarantine import BadSampleConfig
from replai.views import AudioView
from tests.replai.stream.proxied import CONFIG, VIEWS, broken_at, make_stream

SECONDS = 8.0
"""Far more than any other sample takes here, also where the tests have half a core."""


@dataclass(frozen=True, kw_only=True)
class EndlessView(AudioView):
    """A sound; the first sample that a worker decodes of it holds that worker, and tells which."""

    once: str

    @property
    def num_samples(self) -> int:
        if get_worker_info() is not None:
            try:
                os.close(os.open(self.once, os.O_CREAT | os.O_EXCL))
            except FileExistsError:
                return super().num_samples
            time.sleep(60.0)
        return super().num_samples


@pytest.mark.parametrize("num_workers", [1, 2])
def test_it_is_left_out_and_the_stream_goes_on(
    small_root: Path, tmp_path: Path, num_workers: int
) -> None:
    sound = EndlessView(
        name="sound", start_seconds=0.0, duration_seconds=0.5, once=str(tmp_path / "held")
    )
    index = open_index(str(small_root))
    config = replace(
        CONFIG,
        num_workers=num_workers,
        bad_samples=BadSampleConfig(max_share=1.0, max_decode_seconds=SECONDS),
    )
    stream = make_stream(config, tmp_path / "bad", index=index, views=(VIEWS[0], sound))
    with pytest.warns(UserWarning, match="was not decoded within 8 s; decode processes start anew"):
        batches = [batch.keys for batch in stream]
    rows = [json.loads(line) for line in (tmp_path / "bad").read_text().splitlines()]
    (key,) = {row["key"] for row in rows}  # more than one row where its spare is drawn from it
    assert all(row["reason"] == f"sample {key}: not decoded within 8 s" for row in rows)
    spared = make_stream(CONFIG, index=broken_at(index, key))
    assert batches == [batch.keys for batch in spared]
    assert stream.quarantine.count == spared.quarantine.count == len(rows)
    assert not multiprocessing.active_children()
