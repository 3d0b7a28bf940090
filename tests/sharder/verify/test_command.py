"""`sharder verify` as it is typed: exit codes, lines, the report, a share, S3."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import s3fs

from sharder.verify.faults import Fault, Kind
from tests.faults import running_proxy
from tests.sharder.command import COMMAND, files_below
from tests.sharder.conftest import Run
from tests.sharder.verify.planting import FIRST, SECOND, Planted
from tools.seaweed import S3Server, running_s3

ONE = ("--workers", "1")


def test_a_clean_root(run: Run, clean: Path, tmp_path: Path) -> None:
    before = files_below(clean)
    outcome = run("verify", clean, "--json", tmp_path / "report.json", *ONE)
    assert outcome.code == 0
    (line,) = outcome.lines
    assert line.startswith("9 samples (1 decoded) in 3 of 3 shards, 0.000 GB in ")
    assert line.endswith(" s: no faults")
    report = json.loads((tmp_path / "report.json").read_text())
    assert report["finished"] and report["faults"] == [] and report["num_samples_read"] == 9
    assert files_below(clean) == before


def test_a_faulty_root_ends_with_1_and_names_them(
    run: Run, planted: Planted, tmp_path: Path
) -> None:
    row = planted.rows()[1]
    planted.change_rows(lambda rows: [rows[0], *rows[2:]])
    (planted.root / SECOND).unlink()
    outcome = run("verify", planted.root, "--json", tmp_path / "report.json", *ONE)
    assert outcome.code == 1
    assert outcome.lines[:2] == (
        f"{SECOND}: missing: expected the file, found none",
        f"{FIRST}, sample {row.key}, byte {row.offset}: range: expected a row of the index for "
        "it, found none",
    )
    assert outcome.lines[2].endswith(": 2 faults (1 missing, 1 range)")
    report = json.loads((tmp_path / "report.json").read_text())
    assert report["faults_by_kind"] == {"missing": 1, "range": 1}
    assert report["faults"][0] == {
        "kind": "range", "file": FIRST, "key": row.key, "offset": row.offset,
        "expected": "a row of the index for it", "found": "none",
    }  # fmt: skip


def test_lines_of_a_hostile_root_are_plain_text() -> None:
    text = "a\x1b[2Jb\n\udcff" + "x" * 9999
    fault = Fault(kind=Kind.KEY, file=text, key=text, offset=3, expected=text, found=text)
    assert str(fault).isprintable() and len(str(fault)) < 2000


REFUSED = {
    "no such folder": (["@absent"], "no dataset at @absent"),
    "a file": (["@file.txt"], "no dataset at @file.txt"),
    "an empty folder": (["@empty"], "@empty is no dataset"),
    "somebody's folder": (["@somebody"], "@somebody is no dataset"),
    "a newer schema": (["@newer"], "schema version 99"),
    "no such store": (["nonsense://bucket/dataset"], "nonsense"),
    "no store": (["pipe:cat x"], "pipe"),
    "no share": (["@root", "--share", "0"], "--share is 0.0"),
    "a share too large": (["@root", "--share", "1.1"], "--share is 1.1"),
    "no number": (["@root", "--share", "nan"], "--share is nan"),
    "a negative seed": (["@root", "--seed", "-1"], "--seed is -1"),
    "a negative step": (["@root", "--decode-every", "-1"], "--decode-every is -1"),
    "no workers": (["@root", "--workers", "0"], "--workers is 0"),
    "a report in a file": (["@root", "--json", "@file.txt/r.json"], "@file.txt/r.json"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_no_dataset_ends_with_2(
    run: Run, planted: Planted, tmp_path: Path, case: str
) -> None:
    for name in ("empty", "somebody"):
        (tmp_path / name).mkdir()
    for name in ("file.txt", "somebody/notes.txt"):
        (tmp_path / name).write_text("hello")
    if case == "a newer schema":
        planted.change_json(
            "shards.json", lambda f: {**f, "replai": {**f["replai"], "schema_version": 99}}
        )
        planted.root.rename(tmp_path / "newer")
    before = files_below(tmp_path)
    arguments, named = REFUSED[case]
    outcome = run("verify", *ONE, *(a.replace("@", f"{tmp_path}/") for a in arguments))
    assert outcome.code == 2
    assert len(outcome.lines) == 1 and outcome.text.startswith("error: ")
    assert named.replace("@", f"{tmp_path}/") in outcome.text
    assert files_below(tmp_path) == before


def test_a_share_is_drawn_by_its_seed(run: Run, planted: Planted) -> None:
    """Each third of three shards is one shard; what is wrong with another is not seen."""
    for path in (planted.root / "shards").glob("*.tar"):
        path.write_bytes(path.read_bytes()[:-512] + b"x" * 512)
    seen = set()
    for seed in range(8):
        arguments = ("verify", planted.root, "--share", "0.34", "--seed", seed, *ONE)
        outcome = run(*arguments)
        assert outcome.code == 1 and " in 1 of 3 shards" in outcome.lines[-1]
        assert run(*arguments).lines[:-1] == outcome.lines[:-1]
        seen.add(outcome.lines[0].split(":")[0])
    assert len(seen) == 3


@pytest.mark.parametrize(("every", "decoded"), [(0, 0), (1, 9), (4, 3), (50, 1)])
def test_every_nth_sample_of_the_dataset_is_decoded(
    run: Run, clean: Path, every: int, decoded: int
) -> None:
    outcome = run("verify", clean, "--decode-every", every, *ONE)
    assert f"({decoded} decoded)" in outcome.text


def test_several_processes_find_the_same(run: Run, planted: Planted, tmp_path: Path) -> None:
    planted.change_tar(lambda data: data[:5000])
    (planted.root / SECOND).write_bytes(b"")
    reports = []
    for workers in (1, 2):
        file = tmp_path / f"{workers}.json"
        assert run("verify", planted.root, "--json", file, "--workers", workers).code == 1
        report = json.loads(file.read_text())
        reports.append((report["faults"], report["num_samples_read"], report["num_bytes_read"]))
    assert reports[0] == reports[1]


@pytest.fixture(scope="module")
def s3() -> Iterator[S3Server]:
    with running_s3() as server:
        server.make_bucket("bucket")
        yield server


def verified(
    server: S3Server, *arguments: str, endpoint: str | None = None
) -> tuple[int, list[str]]:
    environment = {**os.environ, **server.environment}
    if endpoint is not None:
        environment["AWS_ENDPOINT_URL"] = endpoint
    done = subprocess.run(
        [*COMMAND, "verify", *arguments],
        env=environment, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    return done.returncode, done.stderr.splitlines()


def test_on_s3(s3: S3Server, planted: Planted) -> None:
    """Clean, then with a fault, then through a store that stops answering in the middle."""
    fs = s3fs.S3FileSystem(
        key=s3.environment["AWS_ACCESS_KEY_ID"], secret=s3.environment["AWS_SECRET_ACCESS_KEY"],
        endpoint_url=s3.endpoint, skip_instance_cache=True,
    )  # fmt: skip
    fs.put(f"{planted.root}/", "bucket/dataset/", recursive=True)
    code, lines = verified(s3, "s3://bucket/dataset", "--workers", "2")
    assert code == 0 and len(lines) == 1, lines
    assert lines[0].startswith("9 samples (1 decoded) in 3 of 3 shards")

    fs.pipe_file("bucket/dataset/shards/more.tar", b"")
    fs.pipe_file(f"bucket/dataset/{SECOND}", b"no tar")
    code, lines = verified(s3, "s3://bucket/dataset", "--json", "s3://bucket/report.json", *ONE)
    kinds = [line.split(": ")[1] for line in lines[:-1]]
    assert code == 1 and sorted(kinds) == ["size", "tar", "unlisted"], lines
    report = json.loads(fs.cat_file("bucket/report.json"))
    assert [fault["kind"] for fault in report["faults"]] == ["unlisted", "size", "tar"]

    with running_proxy(s3.endpoint) as proxy:
        proxy.spoil = lambda read: "403" if read.number == 0 else None
        code, lines = verified(s3, "s3://bucket/dataset", *ONE, endpoint=proxy.endpoint)
    assert code == 1 and f"{FIRST}, sample " in lines[1], lines
    assert " byte 0: unreadable: " in lines[1] and "refused" in lines[1]

    code, lines = verified(s3, "s3://no-such-bucket/dataset")
    assert code == 2 and len(lines) == 1 and "s3://no-such-bucket/dataset" in lines[0], lines
