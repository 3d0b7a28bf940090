import json
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from replai.core.errors import SampleError
from replai.core.index import DatasetIndex, open_index
from replai.stream.collate import collate, collate_visits
from replai.stream.decode import DecodeConfig, Decoded, decode_sample
from replai.stream.fetch import Failed, Fetched
from replai.stream.figures import Meter
from replai.stream.plan import Place
from replai.stream.quarantine import BadSample
from replai.stream.reader import RangeReader
from replai.stream.retry import RetryConfig
from replai.stream.sampling import At, SamplingConfig
from replai.stream.spares import Filled
from replai.stream.stages import each
from replai.stream.unpack import Unpacked, unpack_sample
from tests.replai.stream.small import CROP, VIEWS


@pytest.fixture(scope="module")
def index(small_root: Path) -> DatasetIndex:
    return open_index(str(small_root))


def config(**change: object) -> DecodeConfig:
    plain = DecodeConfig(views=VIEWS, sampling=SamplingConfig(), crop=CROP, augment=True, seed=3)
    return replace(plain, **change)  # type: ignore[arg-type]


def sample(index: DatasetIndex, row: int, position: int = 0, epoch: int = 0) -> Unpacked:
    place = Place(epoch, position // 2, position % 2, position, row)
    read = RangeReader(index, RetryConfig()).read(row)
    return unpack_sample(Fetched(place, row, 0, read.data))


def rows_with(index: DatasetIndex, num_moments: int) -> list[int]:
    rows: list[int] = np.flatnonzero(index.column("num_moments") >= num_moments).tolist()
    assert rows
    return rows


def equal(one: Decoded, other: Decoded) -> bool:
    return all(np.array_equal(one.views[name], other.views[name]) for name in one.views)


@pytest.mark.parametrize("k", [1, 2])
def test_shapes_and_dtypes(index: DatasetIndex, k: int) -> None:
    one = sample(index, rows_with(index, 2)[0])
    visit = decode_sample(one, config(sampling=SamplingConfig(per_visit=k)))
    assert visit.views["before"].shape == (k, 3, 8, 32, 32)
    assert visit.views["after"].shape == (k, 3, 4, 32, 32)
    assert visit.views["audio"].shape == (k, 1, 16000)
    kinds = {name: view.dtype for name, view in visit.views.items()}
    assert kinds == {"before": np.uint8, "after": np.uint8, "audio": np.float32}
    assert visit.seconds.dtype == np.float64
    assert visit.audio_coverage == 1.0
    assert (visit.key, visit.video_id, visit.labels) == (one.key, one.record.video_id, (-1, -1))
    assert np.abs(visit.views["audio"]).max() <= 1
    moments = {moment.seconds + one.record.start_seconds for moment in one.record.moments}
    assert set(visit.seconds.tolist()) <= moments


def test_two_anchors_are_two_moments_of_the_same_segment(index: DatasetIndex) -> None:
    one = sample(index, rows_with(index, 2)[0])
    fixed = config(augment=False, sampling=SamplingConfig(per_visit=2))
    both = decode_sample(one, fixed)
    for number, seconds in enumerate(both.seconds - one.record.start_seconds):
        (moment,) = [m for m in one.record.moments if m.seconds == pytest.approx(seconds)]
        alone = replace(one, record=replace(one.record, moments=(moment,)))
        visit = decode_sample(alone, config(augment=False))
        for name in visit.views:
            assert np.array_equal(visit.views[name][0], both.views[name][number])


def test_draws_are_named_by_seed_epoch_and_position(index: DatasetIndex) -> None:
    row = rows_with(index, 1)[0]
    visit = decode_sample(sample(index, row), config())
    assert equal(decode_sample(sample(index, row), config()), visit)
    others = [
        decode_sample(sample(index, row), config(seed=4)),
        decode_sample(sample(index, row, position=1), config()),
        decode_sample(sample(index, row, epoch=1), config()),
    ]
    assert not any(np.array_equal(o.views["before"], visit.views["before"]) for o in others)


@pytest.mark.parametrize("name", ["position", "epoch"])
def test_each_visit_draws_its_moment_anew(index: DatasetIndex, name: str) -> None:
    row = rows_with(index, 2)[0]
    visits = [decode_sample(sample(index, row, **{name: i}), config(views=())) for i in range(16)]
    assert len({float(visit.seconds[0]) for visit in visits}) >= 2


def test_without_augmentation_only_the_time_is_drawn(index: DatasetIndex) -> None:
    row = next(row for row in rows_with(index, 1) if index.column("num_moments")[row] == 1)
    first, second = (
        decode_sample(sample(index, row, epoch=e), config(augment=False)) for e in (0, 1)
    )
    assert equal(first, second)


def test_labels_of_the_visited_action(index: DatasetIndex) -> None:
    row = int(np.flatnonzero(index.column("num_actions") >= 2)[0])
    one = sample(index, row)
    clip = (VIEWS[0],)
    for ordinal, action in enumerate(one.record.actions):
        visit = decode_sample(
            replace(one, ordinal=ordinal),
            config(views=clip, sampling=SamplingConfig(at=At.actions)),
        )
        assert visit.labels == (action.verb_class, action.noun_class)
        middle = (action.start_seconds + action.stop_seconds) / 2 + one.record.start_seconds
        assert visit.seconds.tolist() == [pytest.approx(middle)]
        assert list(visit.views) == ["before"]
        assert visit.audio_coverage == 1.0


def test_sound_that_is_not_there_is_silence_and_is_flagged(index: DatasetIndex) -> None:
    one = sample(index, rows_with(index, 1)[0])
    at_end = replace(one.record.moments[0], seconds=one.record.duration_seconds - 0.5)
    visit = decode_sample(
        replace(one, record=replace(one.record, moments=(at_end,))), config(augment=False)
    )
    assert visit.audio_coverage == pytest.approx(0.75, abs=0.05)
    assert not visit.views["audio"][0, 0, -3000:].any()


@pytest.mark.parametrize("damage", [b"", b"no media", b"\0" * 5000])
def test_media_that_do_not_decode_name_the_sample(index: DatasetIndex, damage: bytes) -> None:
    one = replace(sample(index, rows_with(index, 1)[0]), media=damage)
    with pytest.raises(SampleError, match=f"^sample {one.key}: ") as caught:
        decode_sample(one, config())
    assert "\n" not in str(caught.value)
    (failed,) = each(iter([one]), partial(decode_sample, config=config()), Meter())
    assert failed == Failed(one.place, one.row, str(caught.value))


@pytest.mark.parametrize("facts", [{"width": 9999}, {"height": 300}])
def test_a_record_of_another_video_is_a_sample_error(
    index: DatasetIndex, facts: dict[str, int]
) -> None:
    one = sample(index, rows_with(index, 1)[0])
    one = replace(one, record=replace(one.record, video=replace(one.record.video, **facts)))
    with pytest.raises(SampleError, match=f"sample {one.key}: frames of .* were recorded"):
        decode_sample(one, config())


@pytest.mark.parametrize("seconds", [-9e8, -50.0, 1e5, 9e8])
def test_a_moment_far_outside_never_is_a_bug(index: DatasetIndex, seconds: float) -> None:
    one = sample(index, rows_with(index, 1)[0])
    fields = json.loads(one.record.to_json())
    fields["moments"] = [{"seconds": seconds, "prominence": None}]
    record = type(one.record).from_json(json.dumps(fields).encode())
    try:
        visit = decode_sample(replace(one, record=record), config())
    except SampleError as error:
        assert one.key in str(error)
    else:
        assert visit.audio_coverage == 0


def test_collate_keeps_rows_in_order(index: DatasetIndex) -> None:
    rows = rows_with(index, 2)[:2]
    two = config(sampling=SamplingConfig(per_visit=2))
    visits = [decode_sample(sample(index, row, position=p), two) for p, row in enumerate(rows)]
    batch = collate_visits(visits)
    assert len(batch) == 4
    assert batch.positions.tolist() == [0, 0, 1, 1]
    assert batch.keys == tuple(v.key for v in visits for _ in range(2))
    assert batch.seconds.tolist() == [s for v in visits for s in v.seconds]
    for row in range(4):
        visit, anchor = visits[row // 2], row % 2
        assert np.array_equal(batch.views["audio"][row].numpy(), visit.views["audio"][anchor])
        frames = batch.views["before"][row].numpy()
        assert np.array_equal(frames, visit.views["before"][anchor])


def test_collate_makes_full_batches_only(index: DatasetIndex) -> None:
    row = rows_with(index, 1)[0]
    visits = [Filled(decode_sample(sample(index, row, position=p), config())) for p in range(4)]
    batches = list(collate(iter(visits), 2, Meter()))
    assert [(b.batch, len(b)) for b in batches] == [(0, 2), (1, 2)]
    with pytest.raises(AssertionError, match="not full"):
        list(collate(iter(visits[:3]), 2, Meter()))
    with pytest.raises(AssertionError):
        list(collate(iter(visits[1:3]), 2, Meter()))


def test_collate_hands_on_bad_samples_and_figures_batch_by_batch(index: DatasetIndex) -> None:
    row, meter = rows_with(index, 1)[0], Meter()
    bad = [BadSample(0, 0, p, f"k{p}", "a.tar", "torn") for p in range(3)]

    def visits() -> Iterator[Filled]:
        for position in range(4):
            meter.count(samples=1, bytes_read=10**position)
            visit = decode_sample(sample(index, row, position=position), config(views=()))
            yield Filled(
                visit, tuple(bad[:2]) if position == 1 else tuple(bad[2:]) * (position == 2)
            )

    first, second = collate(visits(), 2, meter)
    assert (first.bad, second.bad) == (tuple(bad[:2]), tuple(bad[2:]))
    assert (first.figures.samples, first.figures.bytes_read) == (2, 11)
    assert (second.figures.samples, second.figures.bytes_read) == (2, 1100)
