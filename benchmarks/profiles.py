"""What the stored profile's settings cost and keep: python benchmarks/profiles.py --json FILE

Each row stores the same spans of three videos (960x540, 24 and 30 fps, with a camera's grain) with
settings that differ from the defaults in what its name says.

decode_ms     CPU of one RepLAI moment, as a worker decodes it; all rows take turns; medians
encode_ratio  CPU seconds of storing, for a second of video
kbit_s        stored bits a second of video, sound and container included; gb_3670h: Ego4D's hours
psnr_db ssim  clips of whole pictures at training size (short side 128), over the same clips of the
              source at the times that the profile keeps; SSIM of luma, 11-tap Gaussian
logmel_db     mean distance of the log-mel spectrogram at 16 kHz from the source's
"""

from __future__ import annotations

import argparse
import json
import shlex
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from benchmarks.clips.cases import MARGIN_SECONDS, PROFILES, SPAN, Case, Segment, cases, stored
from benchmarks.clips.command import cpu_seconds, versions
from benchmarks.clips.sources import SOURCES, source_file
from replai.media.audio import SoundRequest
from replai.media.decode import read_views
from replai.media.scale import Geometry
from replai.media.video import ClipRequest
from replai.models.inputs import LogMel, LogMelConfig
from replai.stream.decode import decode_sample
from sharder.encode import TranscodeProfile

Floats = NDArray[np.float64]
SHORT_SIDE = 128
DECIBELS = 10 / np.log(10)
TURNS = 3
EGO4D_SECONDS = 3670 * 3600.0

ROWS: Mapping[str, Mapping[str, object]] = {
    "default": {},
    "short side 144": {"short_side": 144},
    "short side 192": {"short_side": 192},
    "short side 320": {"short_side": 320},
    "8 fps": {"fps": 8, "gop_frames": 4},
    "30 fps": {"fps": 30, "gop_frames": 15},
    "gop 4": {"gop_frames": 4},
    "gop 16": {"gop_frames": 16},
    "gop 32": {"gop_frames": 32},
    "crf 18": {"crf": 18},
    "crf 28": {"crf": 28},
    "preset ultrafast": {"preset": "ultrafast"},
    "preset medium": {"preset": "medium"},
    "no tune": {"tune": ""},
    "sound 24 kHz, 48 kbit": {"audio_rate_hz": 24000, "audio_kbit_per_channel": 48},
    "sound 48 kHz, 64 kbit": {"audio_rate_hz": 48000, "audio_kbit_per_channel": 64},
}


@dataclass(frozen=True)
class Stored:
    """A row's segments, and the CPU seconds that storing them took."""

    fps: int
    segments: Sequence[Segment]
    encode_seconds: float

    @property
    def seconds(self) -> float:
        """Of video."""
        return sum(segment.record.duration_seconds for segment in self.segments)


def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(description="The stored profile's settings.")
    parser.add_argument("--json", type=Path, required=True, help="file to write")
    parser.add_argument("--moments", type=int, default=6, help="moments of each segment")
    parser.add_argument("--data", type=Path, help="folder to keep the made-up videos in")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as scratch:
        files = [source_file(recipe, arguments.data or Path(scratch)) for recipe in SOURCES]
        sources = [stored(path, PROFILES["copy"], path.stem) for path in files]
        rows = {name: _stored(files, name, change) for name, change in ROWS.items()}
    ones = {name: cases(row.segments, arguments.moments) for name, row in rows.items()}
    ones["copy"] = cases(sources, arguments.moments)
    times = turns(ones)
    table = {"copy": {"decode_ms": _milliseconds(times["copy"]), **_size(sources)}}
    for name, row in rows.items():
        table[name] = {
            "decode_ms": _milliseconds(times[name]),
            "encode_ratio": row.encode_seconds / row.seconds,
            **_size(row.segments),
            **quality(sources, row),
        }
    result = {
        "figures": {f"{n}: {k}": round(v, 4) for n, row in table.items() for k, v in row.items()},
        "raw": {"default": vars(TranscodeProfile()), "cpu_seconds": times},
        "command": shlex.join(["python", "benchmarks/profiles.py", *sys.argv[1:]]),
        "versions": versions({"torchcodec": "", "decord": ""}),
    }
    arguments.json.write_text(json.dumps(result, indent=1) + "\n")
    print(markdown(table))


def _stored(files: Sequence[Path], name: str, change: Mapping[str, object]) -> Stored:
    profile = TranscodeProfile(**change)  # type: ignore[arg-type]
    started = time.process_time()
    segments = [stored(path, profile, f"{path.stem}/{name}") for path in files]
    print(f"stored: {name}", flush=True)
    return Stored(profile.fps, segments, time.process_time() - started)


def turns(ones: Mapping[str, Sequence[Case]]) -> dict[str, list[float]]:
    """CPU seconds of each moment, by row; the rows take turns, in both directions."""
    taken: dict[str, list[list[float]]] = {name: [] for name in ones}
    names = list(ones)
    for number in range(len(ones["copy"])):
        calls = {name: _call(ones[name][number]) for name in names}
        tries: dict[str, list[float]] = {name: [] for name in names}
        for turn in range(TURNS):
            for name in names if turn % 2 == 0 else names[::-1]:
                tries[name].append(cpu_seconds(calls[name]))
        for name, values in tries.items():
            taken[name].append(values)
    return {name: [statistics.median(v) for v in values] for name, values in taken.items()}


def _call(case: Case) -> Callable[[], object]:
    return lambda: decode_sample(case.sample, case.config)


def _milliseconds(seconds: Sequence[float]) -> float:
    return statistics.median(seconds) * 1e3


def _size(segments: Sequence[Segment]) -> dict[str, float]:
    bits = sum(len(s.media) for s in segments) * 8
    rate = bits / sum(s.record.duration_seconds for s in segments)
    return {"kbit_s": rate / 1e3, "gb_3670h": rate * EGO4D_SECONDS / 8e9}


def quality(sources: Sequence[Segment], row: Stored) -> dict[str, float]:
    """PSNR, SSIM and log-mel distance of `row` from the sources; means over clips."""
    psnr, ssim, logmel = [], [], []
    for source, segment in zip(sources, row.segments, strict=True):
        room = SPAN.duration_seconds - 2 * MARGIN_SECONDS
        for number in range(6):
            # On the profile's own grid: what is compared is how a frame is kept, not which.
            slot = round((MARGIN_SECONDS + room * number / 6) * row.fps)
            at = slot / row.fps
            one, heard_one = _seen(source, at, row.fps)
            other, heard_other = _seen(segment, at, row.fps)
            psnr.append(10 * np.log10(255**2 / np.mean((one - other) ** 2)))
            ssim += [structural_similarity(a, b) for a, b in zip(one, other, strict=True)]
            logmel.append(np.mean(np.abs(_logmel(heard_one) - _logmel(heard_other))))
    found = {"psnr_db": psnr, "ssim": ssim, "logmel_db": logmel}
    return {name: float(np.mean(values)) for name, values in found.items()}


def _seen(segment: Segment, seconds: float, fps: int) -> tuple[Floats, NDArray[np.float32]]:
    """Luma of 8 whole frames from `seconds` of the span on, float64 [8, H, W], and 2 s of sound."""
    facts, start = segment.record.video, segment.first_seconds + seconds
    scale = SHORT_SIDE / min(facts.width, facts.height)
    whole = Geometry(
        0, 0, facts.width, facts.height, round(facts.height * scale), 2 * SHORT_SIDE, False
    )
    sound = SoundRequest(start - 1.0, 32000, 16000)
    (clip,), (heard,) = read_views(segment.media, [ClipRequest(start, 8 / fps, 8, whole)], [sound])
    luma = np.tensordot([0.299, 0.587, 0.114], clip.astype(np.float64), axes=1)
    return luma, heard.samples


def structural_similarity(one: Floats, other: Floats) -> float:
    """SSIM (Wang et al. 2004, Eq. 13) of two pictures in 0..255, float64 [H, W]; their mean map."""

    def blurred(values: Floats) -> Floats:
        found: Floats = gaussian_filter(values, 1.5, truncate=5 / 1.5)
        return found

    mean_one, mean_other = blurred(one), blurred(other)
    variances = blurred(one**2) - mean_one**2 + blurred(other**2) - mean_other**2
    covariance = blurred(one * other) - mean_one * mean_other
    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    above = (2 * mean_one * mean_other + c1) * (2 * covariance + c2)
    return float(np.mean(above / ((mean_one**2 + mean_other**2 + c1) * (variances + c2))))


def _logmel(samples: NDArray[np.float32]) -> Floats:
    """In decibels of power; float64 [bands, frames]."""
    config = LogMelConfig()
    normalised = LogMel(config)(torch.from_numpy(samples[None]))[0, 0].double().numpy()
    decibels: Floats = (normalised * config.std + config.mean) * DECIBELS
    return decibels


def markdown(table: Mapping[str, Mapping[str, float]]) -> str:
    """The table of docs/scale.md."""
    columns = {
        "decode_ms": "{:.1f}", "encode_ratio": "{:.3f}", "kbit_s": "{:.0f}", "gb_3670h": "{:.0f}",
        "psnr_db": "{:.1f}", "ssim": "{:.3f}", "logmel_db": "{:.1f}",
    }  # fmt: skip
    lines = ["| | " + " | ".join(columns) + " |", "|---" * (len(columns) + 1) + "|"]
    for name, row in table.items():
        cells = [f.format(row[key]) if key in row else "" for key, f in columns.items()]
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
