"""`sharder inspect`: pages that are whole in themselves and show what they say."""

from __future__ import annotations

import base64
import io
import json
import re
import shutil
import sys
import wave
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from sharder.inspect.ink import Picture
from sharder.inspect.moment_picture import Strip, moment_picture
from sharder.inspect.page import _SCRIPT
from sharder.timestamps import read_moments
from tests.replai.media.synthetic import chirp
from tests.sharder.command import Outcome, files_below
from tests.sharder.conftest import CHIRPS, Run
from tests.worlds import SmallData

NASTY = """a $b$ <img src="http:x" onerror='alert(1)'> 水 & %41"""


@dataclass
class Parsed(HTMLParser):
    """What a browser would find in a page."""

    tags: list[str] = field(default_factory=list)
    links: list[str] = field(default_factory=list)
    """Values of all attributes that name something to load, run or open."""
    words: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.links += [
            value or "" for name, value in attrs
            if name in ("src", "href", "action", "srcset") or name.startswith("on")
        ]  # fmt: skip

    def handle_data(self, data: str) -> None:
        self.words.append(data)

    @property
    def text(self) -> str:
        """All text, of scripts and styles too."""
        return "\n".join(self.words)

    def data(self, kind: str) -> list[bytes]:
        """What the page holds of one media kind."""
        head = f"data:{kind};base64,"
        return [base64.b64decode(link[len(head) :]) for link in self.links if link.startswith(head)]


def parsed(path: Path) -> Parsed:
    page = Parsed()
    page.feed(path.read_text("utf-8"))
    assert all(link.startswith(("data:image/", "data:audio/wav;")) for link in page.links)
    assert not {"link", "iframe", "object", "embed", "a", "form", "base"} & set(page.tags)
    assert page.tags.count("script") == 1 and _SCRIPT in page.words
    for picture in (*page.data("image/png"), *page.data("image/jpeg")):
        Image.open(io.BytesIO(picture)).load()
    with Image.open(path.with_suffix(".png")) as beside:
        assert beside.width == 1800
    return page


def samples_of(sound: bytes) -> NDArray[np.float32]:
    with wave.open(io.BytesIO(sound)) as file:
        assert (file.getnchannels(), file.getframerate()) == (1, 16000)
        return np.frombuffer(file.readframes(file.getnframes()), "<i2").astype(np.float32) / 32767


def done(outcome: Outcome) -> str:
    assert outcome.code == 0, outcome
    return outcome.text


def test_a_video(run: Run, media: dict[str, bytes], tmp_path: Path) -> None:
    (tmp_path / f"{NASTY}.mp4").write_bytes(media["chirping"])
    quoted = '"' + NASTY.replace('"', '""') + '"'
    (tmp_path / "actions.csv").write_text(
        "video_id,start_seconds,stop_seconds,verb,noun\n"
        f"{quoted},1,2,<script>alert(2)</script>,$x_$\n{quoted},4,5,open,door\nother,1,2,cut,egg\n"
    )
    output = tmp_path / "new" / "page.html"
    said = run(
        "inspect", tmp_path / f"{NASTY}.mp4", "-o", output, "--moments-shown", "3",
        "--annotations", tmp_path / "actions.csv",
    )  # fmt: skip
    assert "4 moments of interaction in 8.0 s, 30.0 a minute" in done(said)
    page = parsed(output)
    assert page.tags.count("article") == len(page.data("audio/wav")) == 3
    assert (len(page.data("image/png")), len(page.data("image/jpeg"))) == (1, 3)
    assert NASTY in page.words
    assert "3 of 4 moments: the most prominent, in order of time" in page.words
    assert "<script>alert(2)</script> $x_$" in page.words
    assert "cut egg" not in page.text
    for sound in page.data("audio/wav"):
        samples = samples_of(sound)
        assert samples.shape == (32000,)
        peak = np.correlate(samples, chirp(16000)).argmax() / 16000
        assert peak == pytest.approx(1.0, abs=0.05)  # the chirp starts about a second in


SAID = {
    "bursts": ("how much of the spectrum rises at once", r"prominence \d\.\d dB"),
    "paper": ("the energy of the sound", r"prominence \d\.\d s\.d\."),
}


@pytest.mark.parametrize("detector", SAID)
def test_the_moments_of_detect(run: Run, videos: Path, tmp_path: Path, detector: str) -> None:
    options = ("--detector", detector, "--min-prominence", "0.6")
    found = tmp_path / "m.parquet"
    done(run("detect", videos / "a.mp4", "-o", found, "--workers", "1", *options))
    done(
        run(
            "inspect",
            videos / "a.mp4",
            "-o",
            tmp_path / "a.html",
            "--moments-shown",
            "99",
            *options,
        )
    )
    done(run("inspect", videos / "a.mp4", "-o", tmp_path / "b.html", "--moments", found))
    page, given = parsed(tmp_path / "a.html"), parsed(tmp_path / "b.html")
    times = [f"t = {moment.seconds:.2f} s" for moment in read_moments(str(found))["a"]]
    headings = [word for word in page.words if word.startswith("t = ")]
    assert [heading.split(",")[0] for heading in headings] == times
    meaning, prominence = SAID[detector]
    assert page.text.count(meaning) == 2
    assert all(re.search(prominence + "$", heading) for heading in headings)
    theirs = [word for word in given.words if word.startswith("t = ")]
    assert theirs and all(re.search(prominence + "$", heading) for heading in theirs)


def test_moments_of_ones_own(run: Run, videos: Path, tmp_path: Path) -> None:
    own = tmp_path / "own.csv"
    own.write_text("video_id,seconds\na,0.5\na,2\na,2.25\na,99\nb,1\n")
    output = tmp_path / "a.html"
    said = run("inspect", videos / "a.mp4", "-o", output, "--moments", own)
    assert "  99 s: past the end, 8.00 s" in said.lines
    assert "3 moments of interaction" in done(said)
    page = parsed(output)
    assert page.tags.count("article") == 3
    assert {"t = 0.50 s", "t = 2.00 s", "t = 2.25 s"} <= set(page.words)
    assert "its windows do not fit" in page.text  # 0.5 s from the start


@pytest.mark.parametrize("name", ["no_sound", "silent"])
def test_nothing_to_hear(run: Run, media: dict[str, bytes], tmp_path: Path, name: str) -> None:
    (tmp_path / "v.mp4").write_bytes(media[name])
    done(run("inspect", tmp_path / "v.mp4", "-o", tmp_path / "v.html"))
    page = parsed(tmp_path / "v.html")
    assert page.tags.count("article") == page.tags.count("audio") == 0
    assert page.tags.count("img") == 1  # the overview
    assert "No moments" in page.words
    remedy = {"no_sound": "There is nothing to hear (no sound)", "silent": "Lower --min-prominence"}
    assert remedy[name] in page.text


def test_a_sound_file(run: Run, media: dict[str, bytes], tmp_path: Path) -> None:
    (tmp_path / "s.m4a").write_bytes(media["sound"])
    done(run("inspect", tmp_path / "s.m4a", "-o", tmp_path / "s.html"))
    page = parsed(tmp_path / "s.html")
    assert page.tags.count("article") == page.tags.count("audio") == len(CHIRPS)


def test_damage_is_shown_where_it_is(run: Run, media: dict[str, bytes], tmp_path: Path) -> None:
    hurt = bytearray(media["chirping"])
    hurt[len(hurt) // 3 : len(hurt) // 2] = bytes(len(hurt) // 2 - len(hurt) // 3)
    (tmp_path / "hurt.mp4").write_bytes(hurt)
    (tmp_path / "own.csv").write_text("video_id,seconds\nhurt,1.5\nhurt,3.5\n")
    own = ("--moments", tmp_path / "own.csv")
    done(run("inspect", tmp_path / "hurt.mp4", "-o", tmp_path / "v.html", *own))
    page = parsed(tmp_path / "v.html")
    assert page.tags.count("article") == 2
    assert page.text.count("does not decode") == 1


def test_a_dataset(run: Run, small_data: SmallData, tmp_path: Path) -> None:
    output = tmp_path / "d.html"
    command = ("inspect", small_data.root, "--workers", "1", "--segments", "10", "-o")
    assert "10 opened" in done(run(*command, output, "--moments-shown", "4"))
    page = parsed(output)
    assert page.tags.count("article") == len(page.data("audio/wav")) == 4
    assert (len(page.data("image/png")), len(page.data("image/jpeg"))) == (1, 4)
    assert "10 segments drawn at random from 18" in page.text
    assert all(np.abs(samples_of(sound)).max() > 0.01 for sound in page.data("audio/wav"))
    again, other = tmp_path / "again.html", tmp_path / "other.html"
    done(run(*command, again, "--moments-shown", "1"))
    done(run(*command, other, "--moments-shown", "1", "--seed", "1"))
    heard = page.data("audio/wav")
    assert parsed(again).data("audio/wav") == heard[:1]  # the draw is seeded
    assert parsed(other).data("audio/wav") != heard[:1]


def test_a_strip_is_titled_by_its_time_and_label(
    run: Run, media: dict[str, bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a.mp4").write_bytes(media["chirping"])
    verb = "put-something-somewhere-else"
    (tmp_path / "actions.csv").write_text(
        "video_id,start_seconds,stop_seconds,verb,noun\n"
        f"a,1,2,open,door\na,1.2,2,cut,egg\na,4,5,{verb},egg\n"
    )
    titles = []

    def noted(strip: Strip) -> Picture:
        titles.append(strip.title)
        return moment_picture(strip)

    monkeypatch.setattr("sharder.inspect.video_page.moment_picture", noted)
    labels = ("--annotations", tmp_path / "actions.csv")
    done(run("inspect", tmp_path / "a.mp4", "-o", tmp_path / "page.html", *labels))
    times, said = zip(*(title.partition(" s")[::2] for title in titles), strict=True)
    assert [time[:8] for time in times] == ["1: t = 1", "2: t = 3", "3: t = 4", "4: t = 6"]
    assert said == (", open door", "", ", put-something-somewhere…", "")


def test_prominences_of_a_dataset_have_its_unit(
    run: Run, small_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root, strips = tmp_path / "root", []
    shutil.copytree(small_root, root)
    listed = json.loads((root / "shards.json").read_text())
    listed["replai"]["origins"] = {"moments": "m.parquet by a detector", "prominences": "s.d."}
    (root / "shards.json").write_text(json.dumps(listed))

    def noted(strip: Strip) -> Picture:
        strips.append(strip.said_prominence)
        return moment_picture(strip)

    monkeypatch.setattr("sharder.inspect.dataset_page.moment_picture", noted)
    few = ("--segments", "3", "--moments-shown", "1", "--workers", "1")
    assert run("inspect", root, "-o", tmp_path / "page.html", *few).code == 0
    assert len(strips) == 1 and re.fullmatch(r"prominence \d+\.\d s\.d\.", strips[0])
    assert "m.parquet by a detector" in (tmp_path / "page.html").read_text()


def test_damaged_segments_are_named(run: Run, small_root: Path, tmp_path: Path) -> None:
    root = tmp_path / "root"
    shutil.copytree(small_root, root)
    zeroed, flipped, *_ = sorted(root.glob("shards/*.tar"))
    zeroed.write_bytes(bytes(zeroed.stat().st_size))
    data = bytearray(flipped.read_bytes())
    data[len(data) // 2] ^= 1
    flipped.write_bytes(data)
    said = run("inspect", root, "-o", tmp_path / "d.html", "--moments-shown", "1", "--workers", "1")
    assert "skipped 6 segments:" in said.lines and "18 opened" in done(said)
    page = parsed(tmp_path / "d.html")
    assert "6 of 18 segments are damaged" in page.words
    assert page.tags.count("article") == 1


def test_a_lost_shard_is_one_line(run: Run, small_root: Path, tmp_path: Path) -> None:
    root = tmp_path / "root"
    shutil.copytree(small_root, root)
    lost = sorted(root.glob("shards/*.tar"))[0]
    lost.unlink()
    said = run("inspect", root, "-o", tmp_path / "d.html", "--workers", "1")
    assert (said.code, len(said.lines)) == (2, 1)
    assert str(lost) in said.text and not (tmp_path / "d.html").exists()


def test_only_our_own_pages_are_replaced(run: Run, media: dict[str, bytes], tmp_path: Path) -> None:
    (tmp_path / "v.mp4").write_bytes(media["silent"])
    command = ("inspect", tmp_path / "v.mp4", "-o", tmp_path / "v.html")
    done(run(*command))
    done(run(*command))
    for name in ("v.png", "v.html"):
        kept = (tmp_path / name).read_bytes()
        (tmp_path / name).write_text("my notes")
        before = files_below(tmp_path)
        said = run(*command)
        assert (said.code, len(said.lines)) == (2, 1)
        assert name in said.text and "another -o" in said.text
        assert files_below(tmp_path) == before
        (tmp_path / name).write_bytes(kept)


def test_without_matplotlib_it_says_what_to_install(
    run: Run, media: dict[str, bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "v.mp4").write_bytes(media["silent"])
    for name in [name for name in sys.modules if name.startswith("sharder.inspect")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "matplotlib.axes", None)
    said = run("inspect", tmp_path / "v.mp4", "-o", tmp_path / "v.html")
    assert (said.code, len(said.lines)) == (2, 1)
    assert "pip install matplotlib" in said.text
