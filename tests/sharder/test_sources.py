"""Which files become sources, and under which ids."""

from __future__ import annotations

import os
from pathlib import Path
from typing import IO, Any

import pytest

from replai.core import storage
from replai.core.errors import UserError
from sharder.sources import Source, find_sources, only_named


def make(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"")


def ids(folder: Path, *, with_audio_files: bool = False) -> list[str]:
    found = find_sources([str(folder)], with_audio_files=with_audio_files)
    return [source.video_id for source in found]


def test_a_folder_gives_its_videos_in_order_of_their_ids(tmp_path: Path) -> None:
    make(tmp_path, "P02_1.mp4", "sub/deeper/P01_2.MKV", "sub/P01_1.webm", "notes.txt", "s.wav")
    assert ids(tmp_path) == ["P01_1", "P01_2", "P02_1"]
    assert ids(tmp_path, with_audio_files=True) == ["P01_1", "P01_2", "P02_1", "s"]


def test_a_file_is_named_and_a_folders_is_not(tmp_path: Path) -> None:
    make(tmp_path, "named.mp4", "folder/found.mp4")
    arguments = [str(tmp_path / "named.mp4"), str(tmp_path / "folder")]
    assert find_sources(arguments, with_audio_files=False) == [
        Source("found", str(tmp_path / "folder/found.mp4"), named=False),
        Source("named", str(tmp_path / "named.mp4"), named=True),
    ]


def test_a_named_file_may_have_any_extension(tmp_path: Path) -> None:
    make(tmp_path, "clip.dat")
    found = find_sources([str(tmp_path / "clip.dat")], with_audio_files=False)
    assert [source.video_id for source in found] == ["clip"]


@pytest.mark.parametrize(
    ("name", "video_id"),
    [
        ("two words.mp4", "two words"),
        ("v1.2.final.mp4", "v1.2.final"),
        ("кухня № 5.mp4", "кухня № 5"),
        ("a[1]*?.mp4", "a[1]*?"),
        ("#1 100%.mp4", "#1 100%"),
        ("2021::05::01 b.mp4", "2021::05::01 b"),
    ],
)
def test_the_id_is_the_name_without_the_extension(tmp_path: Path, name: str, video_id: str) -> None:
    make(tmp_path, name)
    assert ids(tmp_path) == [video_id]
    found = find_sources([str(tmp_path / name)], with_audio_files=False)
    assert found == [Source(video_id, str(tmp_path / name), named=True)]


def test_ids_are_composed_unicode(tmp_path: Path) -> None:
    """macOS writes é as two characters: annotations made elsewhere must still match."""
    make(tmp_path, "cafe\u0301.mp4")
    assert ids(tmp_path) == ["caf\u00e9"]
    make(tmp_path, "sub/caf\u00e9.mp4")
    with pytest.raises(UserError, match="two sources have the video id 'caf\u00e9'"):
        ids(tmp_path)


def test_only_what_is_named(tmp_path: Path) -> None:
    make(tmp_path, "a.mp4", "b.mp4", "c.mp4")
    found = find_sources([str(tmp_path)], with_audio_files=False)
    assert [source.video_id for source in only_named(found, {"c", "a", "z"})] == ["a", "c"]
    with pytest.raises(UserError, match=r"none of the sources \(there 'z', here 'a'\)"):
        only_named(found, {"z"})


def test_a_source_given_twice_is_one(tmp_path: Path) -> None:
    make(tmp_path, "a.mp4")
    found = find_sources([str(tmp_path), str(tmp_path), f"{tmp_path}/"], with_audio_files=False)
    assert len(found) == 1


def test_a_relative_file_beside_its_folder_is_one_source(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make(tmp_path, "sub/a.mp4")
    monkeypatch.chdir(tmp_path)
    found = find_sources(["sub/a.mp4", "sub"], with_audio_files=False)
    assert [source.video_id for source in found] == ["a"]


@pytest.mark.parametrize("names", [("a.mp4", "a.mkv"), ("x/a.mp4", "y/a.mp4")])
def test_two_files_of_one_id_are_refused(tmp_path: Path, names: tuple[str, str]) -> None:
    make(tmp_path, *names)
    with pytest.raises(UserError, match="two sources have the video id 'a'") as caught:
        ids(tmp_path)
    assert all(str(tmp_path / name) in str(caught.value) for name in names)


def test_a_file_and_links_to_it_are_one_source(tmp_path: Path) -> None:
    make(tmp_path, "all/a.mp4", "all/b.mp4")
    (tmp_path / "best").mkdir()
    (tmp_path / "best" / "a.mp4").symlink_to("../all/a.mp4")
    (tmp_path / "test").mkdir()
    (tmp_path / "test" / "b.mp4").hardlink_to(tmp_path / "all" / "b.mp4")
    found = find_sources([str(tmp_path)], with_audio_files=False)
    assert [source.url for source in found] == [f"{tmp_path}/all/{name}.mp4" for name in "ab"]


def test_what_is_no_regular_file_is_skipped_and_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    make(tmp_path, "a.mp4")
    os.mkfifo(tmp_path / "pipe.mov")
    holder = os.open(tmp_path / "pipe.mov", os.O_RDWR)  # else to open it would wait, not fail
    try:
        assert ids(tmp_path) == ["a"]
    finally:
        os.close(holder)
    said = " ".join(capsys.readouterr().err.split())
    assert f"skipped 1 files: {tmp_path}/pipe.mov: no regular file" in said


def test_a_file_that_is_named_beside_its_folder_is_named(tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    path.write_bytes(b"video")
    for arguments in ([tmp_path, path], [path, tmp_path]):
        (found,) = find_sources([str(one) for one in arguments], with_audio_files=False)
        assert found.named


def test_a_path_and_a_url_of_one_file_are_one_source(tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    path.write_bytes(b"video")
    found = find_sources([str(path), path.as_uri()], with_audio_files=False)
    assert [source.video_id for source in found] == ["a"]


def test_a_folder_without_videos_is_refused(tmp_path: Path) -> None:
    make(tmp_path, "notes.txt", "sound.wav")
    with pytest.raises(UserError, match=f"no videos below {tmp_path} .*mp4"):
        ids(tmp_path)


@pytest.mark.parametrize("name", ["absent.mp4", "absent", "absent/a.mp4"])
def test_a_path_that_is_not_there_is_named(tmp_path: Path, name: str) -> None:
    with pytest.raises(UserError, match=f"no such file.*{tmp_path / name}"):
        find_sources([str(tmp_path / name)], with_audio_files=False)


def test_other_stores(tmp_path: Path) -> None:
    make(tmp_path, "a.mp4")
    assert len(find_sources([f"file://{tmp_path}"], with_audio_files=False)) == 1
    for url in ("nonsense://x/a.mp4", "pipe:cat a.mp4", "simplecache::file://a.mp4"):
        with pytest.raises(UserError, match=url.split(":")[0]):
            find_sources([url], with_audio_files=False)


def test_what_cannot_be_opened_in_a_folder_is_skipped_and_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    make(tmp_path, "a.mp4", "locked.mp4", "sub/b.mp4")
    (tmp_path / "sub" / "gone.mp4").symlink_to(tmp_path / "nowhere.mp4")
    really_open = Path.open

    def refused(path: Path, *arguments: Any) -> IO[Any]:
        if path.name == "locked.mp4":  # whatever its permissions, root would be let in
            raise PermissionError(13, "Permission denied", str(path))
        return really_open(path, *arguments)

    monkeypatch.setattr(Path, "open", refused)
    assert ids(tmp_path) == ["a", "b"]
    said = " ".join(capsys.readouterr().err.split())
    assert "skipped 2 files:" in said
    assert f"{tmp_path}/locked.mp4: Permission denied" in said
    assert f"{tmp_path}/sub/gone.mp4: No such file or directory" in said


def test_a_named_file_that_is_a_link_to_nothing_is_refused(tmp_path: Path) -> None:
    (tmp_path / "gone.mp4").symlink_to(tmp_path / "nowhere.mp4")
    with pytest.raises(UserError, match=r"no such file.*gone\.mp4"):
        find_sources([str(tmp_path / "gone.mp4")], with_audio_files=False)


def test_the_query_of_a_web_address_is_no_part_of_the_id(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(storage, "is_folder", lambda url: False)
    monkeypatch.setattr(storage, "exists", lambda url: True)
    url = "https://host/b/P01_01.v2.MP4?X-Amz-Credential=a/2026/s3&response=file=c/d.mkv"
    assert find_sources([url], with_audio_files=False) == [Source("P01_01.v2", url, named=True)]


def test_what_is_hidden_is_left_out(tmp_path: Path) -> None:
    folder = tmp_path / ".mine"  # which the user has named
    make(folder, "a.mp4", "._a.mp4", ".Trash-1000/files/b.mp4", "sub/.c.mp4", "sub/d..mp4")
    assert ids(folder) == ["a", "d."]
    assert ids(folder / "._a.mp4") == ["._a"]
