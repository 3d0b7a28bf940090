import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from replai.objectives.avc import AVC, correspondence, info_nce
from replai.objectives.metrics import recall_at_1
from replai.objectives.moment import MomentFeatures
from tests.reference import losses
from tests.replai.objectives.small import small_config, small_encoders


def pairs(batch: int, dim: int, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    both = torch.randn(2, batch, dim, generator=generator, dtype=torch.float64)
    return both[0], both[1]


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 9), st.integers(2, 7), st.sampled_from([0.07, 0.5, 2.0]), st.integers(0, 99))
def test_info_nce_equals_oracle(batch: int, dim: int, temperature: float, seed: int) -> None:
    video, audio = pairs(batch, dim, seed)
    expected = losses.info_nce(video.tolist(), audio.tolist(), temperature)
    assert info_nce(video, audio, temperature).item() == pytest.approx(expected, rel=1e-9, abs=1e-9)


def test_recall_equals_oracle() -> None:
    video, audio = pairs(32, 3)
    audio = audio + 2 * video
    pair = correspondence(video, audio)
    expected = losses.recall_at_1(audio.tolist(), video.tolist())
    assert 0.1 < expected < 0.9
    assert recall_at_1(pair.audio_to_video, pair.own).item() == pytest.approx(expected)


def test_perfect_alignment_costs_nothing() -> None:
    axes = torch.eye(8, dtype=torch.float64)
    assert info_nce(axes, 5 * axes, 0.02).item() == pytest.approx(0, abs=1e-12)


def test_one_constant_embedding_costs_log_n_each_way() -> None:
    same = torch.ones(8, 4, dtype=torch.float64)
    assert info_nce(same, same, 0.07).item() == pytest.approx(2 * math.log(8))


def test_swapped_pairs_cost_more_than_chance() -> None:
    axes = torch.eye(4, dtype=torch.float64)
    expected = 2 * (1 / 0.07 + math.log(1 + 3 * math.exp(-1 / 0.07)))
    assert info_nce(axes, axes.roll(1, dims=0), 0.07).item() == pytest.approx(expected)


def test_length_of_embeddings_does_not_matter() -> None:
    video, audio = pairs(5, 4)
    torch.testing.assert_close(info_nce(3 * video, 0.1 * audio, 0.07), info_nce(video, audio, 0.07))


def test_recall_of_constant_embeddings_is_chance() -> None:
    assert recall_at_1(torch.ones(3, 12), torch.tensor([0, 5, 11])).item() == pytest.approx(1 / 12)


def test_gradient() -> None:
    video, audio = (x.requires_grad_() for x in pairs(4, 3))
    assert torch.autograd.gradcheck(lambda v, a: info_nce(v, a, 0.5), (video, audio))


def test_objective_is_the_mean_over_both_clips() -> None:
    torch.manual_seed(0)
    avc = AVC(small_config(), small_encoders())
    before, after, audio = torch.randn(5, 16), torch.randn(5, 16), torch.randn(5, 24)
    out = avc.compare(MomentFeatures(before=before, after=after, audio=audio))
    sound = avc.audio_head(audio).tolist()
    clips = [avc.video_head(clip).tolist() for clip in (before, after)]
    expected = sum(losses.info_nce(clip, sound, 0.07) for clip in clips) / 2
    recall = sum(losses.recall_at_1(sound, clip) for clip in clips) / 2
    assert out.total.item() == pytest.approx(expected, rel=1e-4)
    assert out.terms["avc"].item() == out.total.item()
    assert out.metrics["audio_to_video_recall_at_1"].item() == pytest.approx(recall)


def test_heads_learn_a_batch_by_heart() -> None:
    torch.manual_seed(0)
    avc = AVC(small_config(), small_encoders())
    before, after, audio = torch.randn(6, 16), torch.randn(6, 16), torch.randn(6, 24)
    features = MomentFeatures(before=before, after=after, audio=audio)
    optimizer = torch.optim.Adam(avc.parameters(), lr=0.01)
    for _ in range(100):
        optimizer.zero_grad()
        out = avc.compare(features)
        out.total.backward()
        optimizer.step()
    assert out.total.item() < 0.1
    assert out.metrics["audio_to_video_recall_at_1"].item() == 1
