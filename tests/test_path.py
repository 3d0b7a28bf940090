"""The whole path by its commands, on a real S3 server: what a user types, and what comes out.

And what must not come out, in any file or line: the credentials.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pyarrow.parquet as pq
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


def _damage_first_sample(server: S3Server, root: str) -> None:
    """Changes a byte in the middle of the first sample of the dataset `root` there."""
    store = server.filesystem()
    with store.open(f"{root}/index.parquet") as file:
        row = pq.read_table(file).to_pylist()[0]
    (shard,) = store.glob(f"{root}/shards/*{row['shard']:06d}.tar")
    data = bytearray(store.cat_file(shard))
    data[row["offset"] + row["size"] // 2] ^= 1
    store.pipe_file(shard, bytes(data))


def _made(server: S3Server, folder: Path) -> dict[str, bytes]:
    """Name → content of each file below `folder` and of each object of the server's bucket."""
    store = server.filesystem()
    files = {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    return files | {name: store.cat_file(name) for name in store.find("test")}


def _assert_no_credentials(server: S3Server, made: dict[str, bytes]) -> None:
    """Neither the key nor its secret is in a name or in the bytes of what was `made`."""
    endings = "/checkpoint.pt", "/probe.json", "/quarantine.jsonl", "/report.html", "/shards.json"
    for ending in endings:
        assert any(name.endswith(ending) for name in made), ending
    assert any("/events.out.tfevents." in name for name in made)
    for variable in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        secret = server.environment[variable]
        assert not [n for n, data in made.items() if secret.encode() in n.encode() + data], variable


def test_from_untrimmed_video_to_the_probes_table(s3: S3Server, tmp_path: Path) -> None:
    outputs: list[str] = []

    def run(*command: str) -> str:
        outputs.append(_run(s3, *command))
        return outputs[-1]

    world = tmp_path / "world"
    run("sharder", "world", "-o", str(world), "--train-videos", "2", "--test-videos", "1",
        "--seconds", "24")  # fmt: skip
    for split in ("train", "test"):
        moments = f"s3://test/{split}/moments.parquet"
        run("sharder", "detect", str(world / split), "-o", moments)
        said = run("sharder", "pack", str(world / split), "--moments", moments,
                   "--annotations", str(world / f"{split}.csv"), "--out", f"s3://test/{split}/data",
                   "--short-side", "48", "--samples-per-shard", "2")  # fmt: skip
        assert "moments" in said and "shards" in said
    _damage_first_sample(s3, "test/test/data")
    trained = tmp_path / "run"
    said = run("torchrun", "--standalone", "--nproc-per-node=2", "train.py",
               "--config", "configs/demo.yaml", f"out={trained}", *TINY,
               "data.root=s3://test/train/data",
               "data.validation_root=s3://test/train/data")  # fmt: skip
    assert "step 1/1" in said and "held out" in said
    said = run("python", "probe.py", "--config", "configs/probe/demo.yaml", f"out={tmp_path}",
               f"checkpoint={trained / 'checkpoint.pt'}", "train_root=s3://test/train/data",
               "test_root=s3://test/test/data", "linear.num_epochs=2")  # fmt: skip
    result = json.loads((tmp_path / "probe.json").read_text())
    for name in ("trained", "random"):
        assert f"{result[name]['verb_top1']:.1f}" in said
    run("python", "-m", "replai.report.page", "--run", str(trained), "--probe",
        str(tmp_path / "probe.json"), "--data", "s3://test/train/data", "-o",
        str(tmp_path / "report.html"))  # fmt: skip
    page = (tmp_path / "report.html").read_text()
    assert page.count("<img") >= 4 and "P01_01" in page
    _assert_no_credentials(s3, _made(s3, tmp_path) | {"outputs": "".join(outputs).encode()})


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
