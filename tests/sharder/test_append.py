"""New videos become a new part of a finished root; its shards stay as they are."""

from __future__ import annotations

import csv
import json
import shutil
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from replai.core import storage
from replai.core.errors import SampleError, UserError
from replai.core.index import DatasetIndex, open_index
from sharder import pack as pack_module
from sharder.bursts import BurstConfig
from sharder.listing import to_csv
from sharder.moi import MoiConfig
from sharder.part import make_shard
from tests.sharder.command import Outcome, files_below, start
from tests.sharder.conftest import LENGTHS, Run
from tests.sharder.test_interrupted import pack_command, parts, signalled, wait_until
from tests.sharder.test_pack import COPYING, OPTIONS, samples

Pack = Callable[..., Outcome]


@pytest.fixture
def pack(run: Run, videos: Path, moments: Path, tmp_path: Path) -> Pack:
    """Packs the videos named, with some more options, into `tmp_path/root`."""

    def pack_these(names: str, *options: str, root: Path = tmp_path / "root") -> Outcome:
        sources = [videos / f"{name}.mp4" for name in names]
        usual = () if "copy" in options else OPTIONS
        return run("pack", *sources, "--moments", moments, "--out", root, *usual, *options)

    return pack_these


def described(root: Path) -> dict[str, bytes]:
    """The files that shards stand in, below `root`."""
    return {k: v for k, v in files_below(root).items() if k.startswith("shards/train")}


def test_the_new_part_comes_behind_the_old_shards(pack: Pack, tmp_path: Path) -> None:
    root = tmp_path / "root"
    assert pack("a").code == 0
    old, before = open_index(str(root)), described(root)
    changed_at = {path: path.stat().st_mtime_ns for path in (root / "shards").iterdir()}
    assert pack("bc", "--append").code == 0
    new, after = open_index(str(root)), described(root)
    assert [k for k in after if k not in before] == [
        "shards/train-000002.tar", "shards/train-000002.tar.idx",
        "shards/train-000003.tar", "shards/train-000003.tar.idx",
    ]  # fmt: skip
    assert {path: path.stat().st_mtime_ns for path in changed_at} == changed_at
    assert new.table.slice(0, old.table.num_rows) == old.table
    assert new.shard_urls[:2] == old.shard_urls and len(new.shard_urls) == 4
    assert new.header.num_moments > old.header.num_moments
    assert new.header.dataset_hash != old.header.dataset_hash
    assert sorted(new.column("key")) == sorted(samples(root))
    assert set(new.column("video_id")) == set(LENGTHS)
    listed = (root / ".nv-meta" / "split.yaml").read_text()
    assert all(f"shards/train-00000{n}.tar" in listed for n in range(4))
    card = (root / "README.md").read_text()
    assert "| videos | 3 |" in card and card.count("- `sharder pack") == 2
    assert not (root / "parts").exists()


def test_videos_that_are_there_are_skipped_and_counted(pack: Pack, tmp_path: Path) -> None:
    pack("ab")
    grown = pack("abc", "--append")
    assert grown.code == 0
    assert f"skipped 2 of 3 sources: already in {tmp_path}/root" in grown.lines
    whole = files_below(tmp_path / "root")
    for again, told in (
        (pack("abc", "--append"), "by the same job; nothing to do"),
        (pack("ca", "--append"), "nothing to append"),
        (pack("ab"), "by the same job; nothing to do"),
    ):
        assert (again.code, told in again.text) == (0, True)
    assert files_below(tmp_path / "root") == whole


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (("--fps", "8"), "profile transcode short_side=16 fps=10"),
        (COPYING, "there, copy here"),
        (("--segment-seconds", "3"), "segment_seconds 2.0 there, 3.0 here"),
        (("--margin-seconds", "1"), "margin_seconds 0.5 there, 1.0 here"),
        (("--split", "val"), "split train there, val here"),
    ],
)
def test_other_settings_are_refused(
    pack: Pack, tmp_path: Path, options: tuple[str, ...], told: str
) -> None:
    pack("c")
    before = files_below(tmp_path / "root")
    refused = pack("b", "--append", *options)
    assert (refused.code, len(refused.lines)) == (2, 1)
    assert "other settings: " in refused.text and told in refused.text
    assert files_below(tmp_path / "root") == before


def test_what_is_new_and_no_video_is_nothing_to_append(
    run: Run, videos: Path, moments: Path, tmp_path: Path
) -> None:
    (tmp_path / "in").mkdir()
    shutil.copy(videos / "a.mp4", tmp_path / "in")
    command = ("pack", tmp_path / "in", "--moments", moments, "--out", tmp_path / "root", *OPTIONS)
    assert run(*command).code == 0
    (tmp_path / "in" / "cut.mp4").write_bytes(b"a download that broke off")
    again = run(*command, "--append")
    assert again.code == 0 and again.lines[-1] == "nothing to append"
    assert again.lines[-2].startswith(f"  {tmp_path}/in/cut.mp4: does not decode")


def test_what_cannot_be_added_to_is_refused(pack: Pack, tmp_path: Path) -> None:
    nothing = pack("a", "--append")
    assert (nothing.code, len(nothing.lines)) == (2, 1)
    assert "no finished dataset" in nothing.text and not (tmp_path / "root").exists()
    pack("a")
    (tmp_path / "few.csv").write_text("video_id,seconds\na,3\n")
    unlearnable = pack("ab", "--append", "--moments", str(tmp_path / "few.csv"))
    assert unlearnable.code == 2 and "none of 1 new videos has moments" in unlearnable.text
    other = pack("b")
    assert other.code == 2 and "--append to add to it" in other.text
    listed = json.loads((tmp_path / "root" / "shards.json").read_text())
    for name in ("settings", "jobs", "origins"):  # which earlier roots have not
        del listed["replai"][name]
    (tmp_path / "root" / "shards.json").write_text(json.dumps(listed))
    for options in ((), ("--append",)):
        older = pack("b", *options)
        assert older.code == 2 and "packed by an older sharder" in older.text


def test_class_numbers_that_mean_something_else_are_refused(
    run: Run, videos: Path, tmp_path: Path
) -> None:
    def pack_with(name: str, row: str, *options: str) -> Outcome:
        (tmp_path / "actions.csv").write_text(
            f"video_id,start_seconds,stop_seconds,verb,noun,verb_class,noun_class\n{row}\n"
        )
        arguments = ("--annotations", tmp_path / "actions.csv", "--out", tmp_path / "root")
        return run("pack", videos / f"{name}.mp4", *arguments, *OPTIONS, *options)

    assert pack_with("b", "b,2,3,open,door,0,0").code == 0
    before = files_below(tmp_path / "root")
    refused = pack_with("c", "c,2,3,shut,door,0,0", "--append")
    assert refused.code == 2
    told = "verb class 0 is 'open' in the root (actions.csv) and 'shut' in the annotations"
    assert told in refused.text
    assert files_below(tmp_path / "root") == before
    assert pack_with("c", "c,2,3,shut,door,1,0", "--append").code == 0
    header = open_index(str(tmp_path / "root")).header
    assert (header.verbs, header.nouns) == ({"0": "open", "1": "shut"}, {"0": "door"})


def test_names_without_numbers_have_those_of_the_root(
    run: Run, videos: Path, tmp_path: Path
) -> None:
    root = tmp_path / "root"

    def pack_with(name: str, rows: str, *options: str) -> Outcome:
        (tmp_path / f"{name}.csv").write_text(
            f"video_id,start_seconds,stop_seconds,verb,noun\n{rows}\n"
        )
        arguments = ("--annotations", tmp_path / f"{name}.csv", "--out", root)
        return run("pack", videos / f"{name}.mp4", *arguments, *OPTIONS, *options)

    assert pack_with("a", "a,2,3,open,door\na,3,4,shut,cup").code == 0
    grown = pack_with("b", "b,2,3,shut,cup\nb,3,4,close,door\nb,4,5,bend,door", "--append")
    assert grown.code == 0 and "verb classes that are new in the root: bend (2), close (3)" in (
        grown.lines
    )
    assert pack_with("c", "c,2,3,close,door", "--append").code == 0
    header = open_index(str(root)).header
    assert header.verbs == {"0": "open", "1": "shut", "2": "bend", "3": "close"}
    assert header.nouns == {"0": "cup", "1": "door"}
    assert header.origins["verb classes"] == (
        "numbered in order of the names in a.csv; "
        "numbered in order of the names in b.csv, behind those that were there"
    )
    found = {
        (action.verb_class, action.verb, action.noun_class, action.noun)
        for record, _ in samples(root).values()
        for action in record.actions
    }
    assert found == {
        (0, "open", 1, "door"), (1, "shut", 0, "cup"), (3, "close", 1, "door"),
        (2, "bend", 1, "door"),
    }  # fmt: skip


def test_the_root_tells_what_found_its_moments(run: Run, videos: Path, tmp_path: Path) -> None:
    root = tmp_path / "root"
    for name, detector in (("a", "paper"), ("b", "bursts")):
        found, source = tmp_path / f"{name}.parquet", videos / f"{name}.mp4"
        assert run("detect", source, "-o", found, "--detector", detector).code == 0
        options = ("--append",) * (name == "b")
        packed = run("pack", source, "--moments", found, "--out", root, *OPTIONS, *options)
        assert packed.code == 0
    (tmp_path / "own.csv").write_text("video_id,seconds\nc,2\n")
    own = ("--moments", tmp_path / "own.csv", "--out", root, *OPTIONS, "--append")
    assert run("pack", videos / "c.mp4", *own).code == 0
    origins = open_index(str(root)).header.origins
    moments = origins["moments"].split("; ")
    assert moments == [repr(MoiConfig()), repr(BurstConfig()), "own.csv"]
    assert origins["prominences"] == "s.d.; dB"
    assert f"| moments | {origins['moments']} |" in (root / "README.md").read_text()


def test_a_part_of_which_nothing_can_be_made_leaves_the_root(
    pack: Pack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pack("a")
    before = files_below(tmp_path / "root")
    monkeypatch.setattr("sharder.encode.transcode_span", fails)
    refused = pack("b", "--append")
    assert refused.code == 2 and "no segment of any source could be made" in refused.text
    assert files_below(tmp_path / "root") == before


def fails(*_: object) -> None:
    raise SampleError("it is broken")


def test_whoever_reads_meanwhile_sees_the_old_dataset_or_the_new(
    pack: Pack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The root is opened before and after every single write and removal of an append."""
    root = tmp_path / "root"
    pack("a")
    old = open_index(str(root)).table
    seen: list[DatasetIndex] = []

    def watched(function: Callable[..., None]) -> Callable[..., None]:
        def called(*arguments: object, **named: object) -> None:
            seen.append(open_index(str(root)))
            function(*arguments, **named)
            seen.append(open_index(str(root)))

        return called

    for name in ("write_bytes", "put_file", "remove_files"):
        monkeypatch.setattr(storage, name, watched(getattr(storage, name)))
    assert pack("bc", "--append").code == 0
    new = open_index(str(root)).table
    assert len(seen) > 20 and {index.table.num_rows for index in seen} == {
        old.num_rows,
        new.num_rows,
    }
    assert all(index.table in (old, new) for index in seen)


@pytest.mark.parametrize(
    ("before", "command", "sizes"),
    [("", ("c", *COPYING), {None, 2}), ("a", ("bc", "--append"), {4, 9})],
)
def test_killed_at_any_write_it_goes_on_to_the_same_bytes(
    before: str, command: tuple[str, ...], sizes: set[int | None], pack: Pack, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    """Each write or removal in turn is the last one; then the command runs again."""
    root, start = tmp_path / "root", tmp_path / "start"
    start.mkdir()
    if before:
        assert pack(before, root=start).code == 0
    shutil.copytree(start, root)
    assert pack(*command).code == 0
    whole, kills = files_below(root), 0
    while True:
        shutil.rmtree(root)
        shutil.copytree(start, root)
        with monkeypatch.context() as patched:
            die_at_write(kills, patched)
            try:
                pack(*command)
            except RuntimeError:
                done = False
            else:
                done = True
        assert num_samples(root) in sizes, kills
        assert pack(*command).code == 0
        assert files_below(root) == whole, kills
        if done:
            break
        kills += 1
    assert kills > 10


def die_at_write(number: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """So many writes and removals are done; the next one raises RuntimeError, and all behind it."""
    left = number

    def dying(function: Callable[..., None]) -> Callable[..., None]:
        def called(*arguments: object) -> None:
            nonlocal left
            if left == 0:
                raise RuntimeError("killed")
            left -= 1
            function(*arguments)

        return called

    for name in ("write_bytes", "put_file", "remove_files"):
        monkeypatch.setattr(storage, name, dying(getattr(storage, name)))


def num_samples(root: Path) -> int | None:
    """Of the dataset at `root`; None if it is unfinished, and refused."""
    try:
        return open_index(str(root)).header.num_samples
    except UserError as error:
        assert "no finished dataset" in str(error) or "no dataset" in str(error)
        return None


def test_a_killed_append_goes_on_to_the_same_root(
    run: Run, videos: Path, moments: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As above, but with SIGKILL to real processes in mid-work."""
    first = pack_command(videos / "c.mp4", moments)
    second = (*pack_command(videos / "b.mp4", moments), "--append")
    (tmp_path / "killed").mkdir()
    monkeypatch.chdir(tmp_path / "killed")
    assert run(*first).code == 0
    old = open_index("root").table
    shutil.copytree(tmp_path / "killed", tmp_path / "whole")
    process = start(*second, cwd=tmp_path / "killed")
    wait_until(process, lambda: len(parts(tmp_path / "killed")) >= 2)
    assert signalled(process, signal.SIGKILL)[0] == -signal.SIGKILL
    made = {path: path.stat().st_mtime_ns for path in Path("root/shards").glob("*.tar")}
    assert open_index("root").table == old
    other = run("pack", videos / "a.mp4", *first[2:], "--append")
    assert other.code == 2 and "is being made by another job" in other.text
    outcome = run(*second)
    assert outcome.code == 0 and "of 6 shards are already made" in outcome.text
    assert sum(path.stat().st_mtime_ns == at for path, at in made.items()) >= 4 + 2
    monkeypatch.chdir(tmp_path / "whole")
    assert run(*second).code == 0
    assert files_below(tmp_path / "killed") == files_below(tmp_path / "whole")


def test_an_append_is_given_up_by_removing_its_parts(
    pack: Pack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root, made = tmp_path / "root", []

    def fail_at_the_second(task, root, profile):  # type: ignore[no-untyped-def]
        if made:
            raise RuntimeError("the power went out")
        made.append(task[0])
        return make_shard(task, root, profile)

    pack("c")
    monkeypatch.setattr(pack_module, "make_shard", fail_at_the_second)
    with pytest.raises(RuntimeError):
        pack("ab", "--append")
    monkeypatch.undo()
    assert (root / "shards" / "train-000001.tar").exists()
    assert "is being made by another job" in pack("b", "--append", "--samples-per-shard", "1").text
    shutil.rmtree(root / "parts")
    monkeypatch.setattr(pack_module, "make_shard", _fails_at_once)
    with pytest.raises(RuntimeError):
        pack("b", "--append")
    assert not (root / "shards" / "train-000001.tar").exists()


def test_what_a_late_append_that_was_given_up_has_left_goes_with_the_next(
    run: Run, pack: Pack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was stopped just before `shards.json`; until then readers see the dataset of before."""
    root = tmp_path / "root"
    pack("c")
    originals, old = (root / "shards.json").read_bytes(), open_index(str(root)).table
    monkeypatch.setattr(pack_module, "end", _fails_at_once)
    with pytest.raises(RuntimeError):
        pack("ab", "--append")
    monkeypatch.undo()
    (root / "shards.json").write_bytes(originals)
    shutil.rmtree(root / "parts")
    assert open_index(str(root)).table == old
    assert run("verify", root, "--workers", 1).code == 1
    assert pack("b", "--append").code == 0
    whole = run("verify", root, "--workers", 1)
    assert whole.code == 0, whole.text


def _fails_at_once(*_: object, **__: object) -> None:
    raise RuntimeError("at once")


ACTIONS = "video_id,start_seconds,stop_seconds,verb,noun,verb_class,noun_class\n"


def test_what_is_wrong_with_new_actions_joins_what_was_found(
    run: Run, videos: Path, tmp_path: Path
) -> None:
    """Empty (a), absent and then there but outside (b), absent for good (d), past the end (c)."""
    root, table = tmp_path / "root", tmp_path / "actions.csv"
    findings = root / "annotation-findings.csv"
    rows = ("a,2,3,open,door,0,0", "a,3,3,open,door,0,0", "b,99,100,open,door,0,0",
            "c,1,99,shut,door,1,0", "d,1,2,shut,door,1,0")  # fmt: skip
    table.write_text(ACTIONS + "\n".join(rows) + "\n")

    def pack_with(names: str, *options: str) -> Outcome:
        sources = [videos / f"{name}.mp4" for name in names]
        return run("pack", *sources, "--annotations", table, "--out", root, *OPTIONS, *options)

    def found() -> list[tuple[str, str]]:
        with findings.open() as file:
            return [(row["finding"], row["where"]) for row in csv.DictReader(file)]

    absent = [("absent", f"actions.csv line {n}") for n in (4, 5, 6)]
    assert pack_with("a").code == 0
    assert found() == [("empty", "actions.csv line 3"), *absent]
    dry = pack_with("abc", "--append", "--dry-run")
    assert dry.code == 0 and "annotations: 1 of 3 actions fit the sources" in dry.lines
    grown = pack_with("abc", "--append")
    assert "annotations: 1 of 3 actions fit the sources" in grown.lines
    assert found() == [
        ("empty", "actions.csv line 3"), ("outside", "actions.csv line 4"),
        ("cut", "actions.csv line 5"), absent[-1],
    ]  # fmt: skip
    assert grown.lines[-1].startswith("4 findings in the annotations")
    card = (root / "README.md").read_text()
    assert "| empty (no stop after their start): left out | 1 |" in card
    assert "| outside their video: left out | 1 |" in card
    assert "| verb classes | 2 (actions.csv) |" in card and "| annotations | actions.csv |" in card
    findings.write_text("somebody's notes")
    shutil.copy(videos / "a.mp4", tmp_path / "d.mp4")
    add = ("pack", tmp_path / "d.mp4", "--annotations", table, "--out", root, "--append", *OPTIONS)
    before = files_below(root)
    refused = run(*add)
    assert refused.code == 2 and f"{findings} is damaged" in refused.text
    assert files_below(root) == before
    findings.write_text(
        to_csv([("absent", "actions.csv line 6", "d", "1.0", "2.0", "shut", "door", "")])
    )
    assert run(*add).code == 0 and not findings.exists()


def test_a_root_with_a_new_part_is_whole(
    run: Run, pack: Pack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So is one to which something is being added: it is what it was before."""
    root = tmp_path / "root"
    pack("c")
    monkeypatch.setattr(pack_module, "end", _fails_at_once)  # killed when all is written
    originals = (root / "shards.json").read_bytes()
    with pytest.raises(RuntimeError):
        pack("ab", "--append")
    monkeypatch.undo()
    new = (root / "shards.json").read_bytes()
    (root / "shards.json").write_bytes(originals)  # or just before
    growing = run("verify", root, "--workers", 1)
    assert growing.code == 0 and "is under way or has broken off" in growing.lines[0]
    assert growing.lines[1].startswith("2 samples")
    (root / "shards.json").write_bytes(new)
    assert pack("ab", "--append").code == 0
    whole = run("verify", root, "--workers", 1)
    assert whole.code == 0 and whole.lines[0].startswith("9 samples"), whole.text
    shutil.copy(root / "shards" / "train-000000.tar", root / "shards" / "train-000009.tar")
    assert run("verify", root, "--workers", 1).code == 1
