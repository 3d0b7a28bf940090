"""Sources of any length, cheaply: the packets of one encoded piece, again and again."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import av

from benchmarks.clips.sources import SOURCES, SourceRecipe, source_file
from sharder.world.movie import whole_file


def long_files(
    pieces: Path,
    folder: Path,
    seconds: float,
    count: int,
    recipes: Sequence[SourceRecipe] = SOURCES,
) -> list[Path]:
    """`count` videos of about `seconds` in `folder`; those that are there already are kept."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for number in range(count):
        recipe = recipes[number % len(recipes)]
        piece, times = source_file(recipe, pieces), round(seconds / recipe.seconds)
        path = folder / f"{number}_{times * recipe.seconds}s.mp4"
        if not path.exists():
            with whole_file(path) as temporary:
                repeat(piece, temporary, times, recipe.seconds)
        paths.append(path)
    return paths


def repeat(piece: Path, path: Path, times: int, seconds: float) -> None:
    """Writes the packets of `piece`, which lasts `seconds`, to `path` (MP4), `times` times behind
    each other."""
    with av.open(str(piece)) as source, av.open(str(path), "w", format="mp4") as target:
        streams = {s.index: target.add_stream_from_template(s) for s in source.streams}
        last = dict.fromkeys(streams, -(2**62))
        for number in range(times):
            source.seek(0)
            for packet in source.demux():
                if packet.dts is None or packet.pts is None:
                    continue
                index, later = packet.stream_index, round(number * seconds / packet.time_base)
                if packet.dts + later <= last[index]:
                    continue  # the sound's first packet, which lies before its picture
                last[index] = packet.dts + later
                packet.pts, packet.dts = packet.pts + later, packet.dts + later
                packet.stream = streams[index]
                target.mux(packet)
