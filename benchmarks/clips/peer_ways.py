"""Ways of the peers: torchcodec and decord, each with its own decoder of sound.

Frames at the same times as ours, cropped and scaled to the same size by torchvision: the two
clips of a moment have crops of their own, which no peer's own scaling can make from one decoder.
"""

from __future__ import annotations

import io
from collections.abc import Callable

import numpy as np
import torch

from benchmarks.clips.cases import Case
from benchmarks.clips.ways import cropped


def torchcodec(case: Case) -> Callable[[], object]:
    """Approximate seek, one FFmpeg thread; one call for the 16 frames, one for the sound."""
    from torchcodec.decoders import AudioDecoder, VideoDecoder

    def decode() -> object:
        media = case.segment.media
        video = VideoDecoder(media, seek_mode="approximate", num_ffmpeg_threads=1)
        times = np.concatenate([clip.frame_seconds for clip in case.clips]).tolist()
        frames = video.get_frames_played_at(times).data
        clips = _split(frames, case)
        sound = AudioDecoder(media, sample_rate=case.sound.sample_rate_hz, num_channels=1)
        start, stop = case.sound.start_seconds, case.sound.stop_seconds
        return clips, sound.get_samples_played_in_range(start, stop).data

    return decode


def decord(case: Case) -> Callable[[], object]:
    """One thread; frames by index; its reader of sound decodes the whole segment's."""
    from decord import AudioReader, VideoReader, cpu

    fps = case.segment.record.video.fps

    def decode() -> object:
        media = case.segment.media
        video = VideoReader(io.BytesIO(media), ctx=cpu(0), num_threads=1)
        times = np.concatenate([clip.frame_seconds for clip in case.clips])
        indices = np.minimum((times * fps).astype(int), len(video) - 1).tolist()
        frames = torch.from_numpy(video.get_batch(indices).asnumpy()).permute(0, 3, 1, 2)
        clips = _split(frames, case)
        rate = case.sound.sample_rate_hz
        sound = AudioReader(io.BytesIO(media), ctx=cpu(0), sample_rate=rate, mono=True)
        first = round(case.sound.start_seconds * rate)
        return clips, sound[first : first + case.sound.num_samples].asnumpy()

    return decode


def _split(frames: torch.Tensor, case: Case) -> list[torch.Tensor]:
    parts = torch.split(frames, [clip.num_frames for clip in case.clips])
    return [cropped(part, c.geometry) for part, c in zip(parts, case.clips, strict=True)]


def present(name: str) -> str | None:
    """None if the peer loads here, else why not, on one line."""
    try:
        __import__("torchcodec.decoders" if name == "torchcodec" else name)
    except (ImportError, RuntimeError, OSError) as error:
        return " ".join(str(error).split())[:300]
    return None
