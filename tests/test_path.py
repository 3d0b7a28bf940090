"""The whole path by its commands, on a real S3 server: what a user types, and what comes out."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tools.seaweed import S3Server, running_s3

REPOSITORY = Path(__file__).parents[1]
BIN = Path(sys.executable).parent
TINY = (
    "batch_size=4", "log_every_steps=1", "num_epochs=1", "data.sampling.per_visit=1",
    "data.crop.size_pixels=32", "data.crop.min_short_side=32", "data.crop.max_short_side=40",
    "encoders.video.width=4", "encoders.audio.width=4",
)  # fmt: skip


@pytest.fixture(scope="module")
def s3() -> Iterator[S3Server]:
    with running_s3() as server:
        server.make_bucket("test")
        yield server


def _run(server: S3Server, *command: str, returns: int = 0) -> str:
    done = subprocess.run(
        [str(BIN / command[0]), *command[1:]],
        cwd=REPOSITORY,
        env={**os.environ, "OMP_NUM_THREADS": "1", **server.environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=200,
    )
    assert done.returncode == returns, f"{command}\n{done.stdout}\n{done.stderr}"
    return done.stdout + done.stderr


def test_from_untrimmed_video_to_the_probes_table(s3: S3Server, tmp_path: Path) -> None:
    world = tmp_path / "world"
    _run(s3, "sharder", "world", "-o", str(world), "--train-videos", "2", "--test-videos", "1",
         "--seconds", "24")  # fmt: skip
    for split in ("train", "test"):
        moments = f"s3://test/{split}/moments.parquet"
        _run(s3, "sharder", "detect", str(world / split), "-o", moments)
        said = _run(s3, "sharder", "pack", str(world / split), "--moments", moments,
                    "--annotations", str(world / f"{split}.csv"), "--out", f"s3://test/{split}/data",
                    "--short-side", "48", "--samples-per-shard", "2")  # fmt: skip
        assert "moments" in said and "shards" in said
    run = tmp_path / "run"
    said = _run(s3, "torchrun", "--standalone", "--nproc-per-node=2", "train.py",
                "--config", "configs/demo.yaml", f"out={run}", *TINY,
                "data.root=s3://test/train/data",
                "data.validation_root=s3://test/train/data")  # fmt: skip
    assert "step 1/1" in said and "held out" in said
    said = _run(s3, "python", "probe.py", "--config", "configs/probe/demo.yaml", f"out={tmp_path}",
                f"checkpoint={run / 'checkpoint.pt'}", "train_root=s3://test/train/data",
                "test_root=s3://test/test/data", "linear.num_epochs=2")  # fmt: skip
    result = json.loads((tmp_path / "probe.json").read_text())
    for name in ("trained", "random"):
        assert f"{result[name]['verb_top1']:.1f}" in said
    _run(s3, "python", "-m", "replai.report.page", "--run", str(run), "--probe",
         str(tmp_path / "probe.json"), "--data", "s3://test/train/data", "-o",
         str(tmp_path / "report.html"))  # fmt: skip
    page = (tmp_path / "report.html").read_text()
    assert page.count("<img") >= 4 and "P01_01" in page


@pytest.mark.parametrize(
    ("url", "says"),
    [("s3://no-such-bucket/data", "no dataset"), ("s3://test/nothing/here", "no dataset")],
)
def test_a_wrong_url_is_one_line(s3: S3Server, tmp_path: Path, url: str, says: str) -> None:
    command = ("python", "train.py", "--config", "configs/demo.yaml", f"out={tmp_path / 'run'}")
    said = _run(s3, *command, f"data.root={url}", returns=2)
    assert says in said and url in said
    assert said.count("\n") == 1
    assert not (tmp_path / "run").exists()


def test_wrong_credentials_are_one_line_that_does_not_show_them(
    s3: S3Server, tmp_path: Path
) -> None:
    stranger = S3Server(s3.endpoint, {**s3.environment, "AWS_SECRET_ACCESS_KEY": "a-wrong-secret"})
    command = ("python", "train.py", "--config", "configs/demo.yaml", f"out={tmp_path / 'run'}")
    said = _run(stranger, *command, "data.root=s3://test/train/data", returns=2)
    assert "refused" in said and "credentials" in said and "a-wrong-secret" not in said
