"""What a stored frame's numbers mean: the matrix by which they became of red, green and blue.

A segment keeps its source's matrix, and says which one that is, as a copy does: to convert it costs
time and precision. Where the source does not say, neither does the segment: FFmpeg's scaler, and
so the decoder, takes that as BT.601, in both. The range is always the limited one.
"""

from __future__ import annotations

from av.video.codeccontext import VideoCodecContext
from av.video.frame import VideoFrame
from av.video.reformatter import Colorspace

_MATRICES = {
    1: Colorspace.ITU709,
    4: Colorspace.FCC,
    5: Colorspace.ITU601,
    6: Colorspace.ITU601,
    7: Colorspace.SMPTE240M,
    9: Colorspace.BT2020,
}
"""What a file may say (ITU-T H.273, MatrixCoefficients) → what FFmpeg's scaler takes it for."""


def matrix_of(frame: VideoFrame) -> Colorspace:
    """The matrix of `frame`; BT.601 where it says none, or one that FFmpeg's scaler lacks."""
    return _MATRICES.get(frame.colorspace, Colorspace.ITU601)


def tag(encoder: VideoCodecContext, frame: VideoFrame) -> None:
    """Has `encoder`, not open yet, say that its frames have the matrix of `frame`, if it tells."""
    if frame.colorspace in _MATRICES:
        encoder.colorspace = frame.colorspace
