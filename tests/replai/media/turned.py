"""Video that is to be turned: four corners of four brightnesses say how a frame stands."""

from __future__ import annotations

import io
from functools import cache

import av
import numpy as np
from numpy.typing import NDArray

from replai.media.decode import read_views
from replai.media.scale import Geometry
from replai.media.video import ClipRequest
from tests.replai.media.synthetic import frames_of

WIDTH, HEIGHT = 96, 64
CORNERS = np.array([[40, 100], [160, 220]], np.uint8)  # as stored


def stored() -> NDArray[np.uint8]:
    """The picture before it is turned; uint8 [HEIGHT, WIDTH, 3]."""
    quarters = CORNERS.repeat(HEIGHT // 2, 0).repeat(WIDTH // 2, 1)
    return np.ascontiguousarray(quarters[:, :, None].repeat(3, 2))


@cache
def filmed(rotation: int, container: str = "mp4") -> bytes:
    """Ten equal frames, to be turned by `rotation` degrees counter-clockwise."""
    sink = io.BytesIO()
    with av.open(sink, "w", format=container) as out:
        stream = out.add_stream("libx264", rate=10, options={"threads": "1"})
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        stream.set_display_rotation(rotation)
        for _ in range(10):
            out.mux(stream.encode(av.VideoFrame.from_ndarray(stored(), format="rgb24")))
        out.mux(stream.encode(None))
    return sink.getvalue()


def corners(frame: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Mean brightness of the four quarters, off their borders; float64 [2, 2]."""
    grey = frame.mean(axis=2)
    rows, columns = np.array(grey.shape) // 8
    return np.array(
        [
            [
                grey[i * rows : (i + 2) * rows, j * columns : (j + 2) * columns].mean()
                for j in (1, 5)
            ]
            for i in (1, 5)
        ]
    )


def seen(data: bytes, geometry: Geometry) -> NDArray[np.uint8]:
    """The second frame; uint8 [H, W, 3]."""
    (clip,), _ = read_views(data, [ClipRequest(0.3, 0.2, 2, geometry)], [])
    return frames_of(clip)[1]
