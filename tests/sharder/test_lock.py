"""Two packs at once on one root: one wins, the other says so."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from replai.core import storage
from replai.core.errors import UserError
from replai.core.index import open_index
from sharder import lock
from sharder.job import Job, Standing, begin, refuse_others
from sharder.lock import LOCK_NAME, Lease, only_one
from tests.sharder.command import Outcome, files_below, start
from tests.sharder.conftest import Run
from tests.sharder.test_interrupted import PATIENCE_SECONDS, pack_command, parts, wait_until
from tests.sharder.test_pack import OPTIONS
from tools.seaweed import running_s3


def test_of_two_packs_started_together_one_wins(
    videos: Path, moments: Path, tmp_path: Path
) -> None:
    """On a busy machine the other may come so late that the first is done; it says that, too."""
    both = [start(*pack_command(videos / "c.mp4", moments), cwd=tmp_path) for _ in range(2)]
    told = [process.communicate(timeout=PATIENCE_SECONDS)[1] for process in both]
    assert {process.returncode for process in both} <= {0, 2}, told
    assert sum(text.count("→ root") for text in told) == 1, told
    late = ("another pack is at work on root", "has changed root meanwhile", "already finished")
    assert sum(any(words in text for words in late) for text in told) == 1, told
    assert open_index(str(tmp_path / "root")).header.num_samples == 4
    assert not (tmp_path / "root" / "parts").exists()


def test_what_another_pack_has_begun_meanwhile_is_not_foreign(tmp_path: Path) -> None:
    root, unknown, job = str(tmp_path / "root"), Standing(None, None), Job("d" * 64, "sharder pack")
    (tmp_path / "root").mkdir()
    (tmp_path / "root" / "photo.jpg").touch()
    with pytest.raises(UserError, match="is no dataset of ours"):
        refuse_others(root, unknown, job, {}, append=False)
    begin(root, job, unknown)
    refuse_others(root, unknown, job, {}, append=False)


@pytest.mark.parametrize(
    "name", ["padlock.txt", "parts/lock.txt", "lock", "my-job.json", "parts/.lockpick.1.tmp"]
)
def test_somebodys_file_with_a_lock_in_its_name_is_foreign(tmp_path: Path, name: str) -> None:
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).touch()
    with pytest.raises(UserError, match="is no dataset of ours"):
        refuse_others(str(tmp_path), Standing(None, None), Job("d", "pack"), {}, append=False)


@pytest.mark.parametrize("name", ["lock", ".job.json.0a1b2c3d.tmp"])
def test_what_a_pack_begins_with_is_not_foreign(tmp_path: Path, name: str) -> None:
    (tmp_path / "parts").mkdir()
    (tmp_path / "parts" / name).touch()
    refuse_others(str(tmp_path), Standing(None, None), Job("d", "pack"), {}, append=False)


def test_a_pack_is_refused_while_another_works_and_goes_on_when_that_is_killed(
    run: Run, videos: Path, moments: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    command = pack_command(videos, moments)
    first = start(*command, cwd=tmp_path)
    monkeypatch.chdir(tmp_path)
    try:
        wait_until(first, lambda: len(parts(tmp_path)) >= 1)
        os.killpg(first.pid, signal.SIGSTOP)
        before = files_below(tmp_path)
        second = run(*command)
        assert (second.code, f"(process {first.pid} on " in second.text) == (2, True), second.text
        assert files_below(tmp_path) == before
    finally:
        os.killpg(first.pid, signal.SIGKILL)
        first.communicate(timeout=PATIENCE_SECONDS)
    assert run(*command).code == 0


def test_the_lock_of_a_folder_leaves_nothing(tmp_path: Path) -> None:
    root = str(tmp_path / "a" / "root")
    with only_one(root), pytest.raises(UserError, match="another pack is at work"), only_one(root):
        pass
    assert not Path(root).exists()
    with only_one(root):
        Path(root, "kept").write_text("")
    assert files_below(Path(root)) == {"kept": b""}


@pytest.fixture(scope="module")
def bucket(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with pytest.MonkeyPatch.context() as patched, running_s3() as server:
        for name, value in server.environment.items():
            patched.setenv(name, value)
        yield server.make_bucket("locks")


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lock, "BEAT_SECONDS", 0.2)
    monkeypatch.setattr(lock, "DEAD_AFTER_SECONDS", 3.0)


@pytest.mark.usefixtures("quick")
def test_on_a_store_the_living_keep_the_lock_and_the_dead_lose_it(bucket: str) -> None:
    root, other = f"{bucket}/a", f"{bucket}/b"
    taken = pytest.raises(UserError, match=r"another pack is at work on .*/a \(process")
    with only_one(root), only_one(other), taken:
        Lease(root).acquire()
    assert storage.list_files(bucket) == []
    storage.write_bytes(storage.join(root, LOCK_NAME), Lease(root)._content())  # of the dead
    started = time.monotonic()
    with only_one(root) as check:
        assert time.monotonic() - started > 3.0
        check()
        storage.remove_files([storage.join(root, LOCK_NAME)])  # as one does who takes it over
        storage.create_bytes(storage.join(root, LOCK_NAME), Lease(root)._content())
        time.sleep(1.0)
        with pytest.raises(UserError, match="has taken over"):
            check()
    assert storage.list_files(root) == [storage.join(root, LOCK_NAME)]


@pytest.mark.usefixtures("quick")
def test_a_root_in_a_bucket_is_packed_and_added_to(
    run: Run, bucket: str, videos: Path, moments: Path
) -> None:
    def pack(name: str, *options: str) -> Outcome:
        arguments = ("--moments", moments, "--out", f"{bucket}/root", *OPTIONS, *options)
        return run("pack", videos / f"{name}.mp4", *arguments)

    assert pack("c").code == 0
    with only_one(f"{bucket}/root"):
        refused = pack("b", "--append")
    assert refused.code == 2 and "another pack is at work on" in refused.text, refused.text
    assert open_index(f"{bucket}/root").header.num_samples == 2
    assert pack("b", "--append").code == 0
    assert open_index(f"{bucket}/root").header.num_samples == 2 + 3
    assert not [url for url in storage.list_files(f"{bucket}/root") if "/parts/" in url]


@pytest.mark.usefixtures("quick")
def test_moments_in_a_bucket_are_made_by_one_detect_at_a_time(
    run: Run, bucket: str, videos: Path
) -> None:
    output = f"{bucket}/detected/m.parquet"
    command = ("detect", videos / "c.mp4", "-o", output)
    with only_one(output, f"{output}.parts/lock", "detect"):
        refused = run(*command)
    assert refused.code == 2 and f"another detect is at work on {output}" in refused.text
    assert run(*command).code == 0
    assert storage.list_files(f"{bucket}/detected") == [output]
