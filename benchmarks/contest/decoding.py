"""The one decode function of all contestants: RepLAI's three views at one moment of a sample."""

from __future__ import annotations

from dataclasses import dataclass

from replai.core.record import SampleRecord
from replai.stream.__main__ import REPLAI_VIEWS
from replai.stream.crops import CropConfig
from replai.stream.decode import DecodeConfig, Decoded, decode_sample
from replai.stream.plan import Place
from replai.stream.sampling import SamplingConfig
from replai.stream.unpack import Unpacked

DECODE = DecodeConfig(
    views=REPLAI_VIEWS, sampling=SamplingConfig(), crop=CropConfig(), augment=True, seed=0
)


@dataclass
class Decoder:
    """Decodes samples that another loader has read; each call draws its own moment and crops."""

    calls: int = 0

    def __call__(self, key: str, mp4: bytes, record_json: bytes) -> Decoded:
        """The views of one visit, as our own pipeline makes them."""
        self.calls += 1
        place = Place(epoch=0, batch=0, slot=0, position=self.calls, item=0)
        record = SampleRecord.from_json(record_json)
        return decode_sample(Unpacked(place, 0, 0, key, record, mp4), DECODE)
