from typing import Any

import pytest
import torch
from omegaconf import OmegaConf

from replai.objectives import OBJECTIVES, Objective, ObjectiveConfig, make_objective
from replai.objectives.moment import encode_moment
from replai.views import AudioView, VideoView
from tests.replai.objectives.small import (
    NUM_ITEMS,
    small_batch,
    small_config,
    small_encoders,
    small_rows,
)


def make(**settings: object) -> tuple[Objective, Any]:
    torch.manual_seed(0)
    encoders = small_encoders()
    return make_objective(small_config(**settings), encoders), encoders


def test_views_are_the_papers() -> None:
    before, after, audio = make_objective(ObjectiveConfig(), small_encoders()).views
    assert before == VideoView(
        name="video_before", start_seconds=-0.6, duration_seconds=0.5, num_frames=8
    )
    assert after == VideoView(
        name="video_after", start_seconds=0.1, duration_seconds=0.5, num_frames=8
    )
    assert audio == AudioView(
        name="audio", start_seconds=-1.0, duration_seconds=2.0, sample_rate_hz=16000
    )


@pytest.mark.parametrize("name", OBJECTIVES)
def test_every_objective_runs_and_reports_detached_scalars(name: str) -> None:
    objective, encoders = make(name=name)
    objective.prepare(NUM_ITEMS, seed=0)
    out = objective(encoders, small_batch(3), small_rows(3))
    reported = [*out.terms.values(), *out.metrics.values()]
    assert reported
    assert all(value.shape == () and not value.requires_grad for value in reported)
    assert out.total.shape == ()
    out.total.backward()
    parameters = [*objective.named_parameters(), *encoders.named_parameters()]
    assert [key for key, parameter in parameters if parameter.grad is None] == []


def test_total_is_the_weighted_sum() -> None:
    objective, encoders = make(avc_weight=0.25, astc_weight=3.0)
    out = objective(encoders, small_batch(4))
    assert set(out.terms) == {"avc", "astc"}
    assert {"audio_to_video_recall_at_1", "direction_accuracy"} <= set(out.metrics)
    expected = 0.25 * out.terms["avc"] + 3.0 * out.terms["astc"]
    torch.testing.assert_close(out.total.detach(), expected)


@pytest.mark.parametrize(("kept", "left_out"), [("avc", "astc"), ("astc", "avc")])
def test_a_weight_of_zero_leaves_a_loss_out(kept: str, left_out: str) -> None:
    objective, encoders = make(**{f"{left_out}_weight": 0.0})
    out = objective(encoders, small_batch(4))
    assert set(out.terms) == {kept}
    assert all(key.startswith(f"losses.{kept}.") for key in objective.state_dict())
    alone = OBJECTIVES[kept](small_config(), encoders)
    alone.load_state_dict(
        {k.removeprefix(f"losses.{kept}."): v for k, v in objective.state_dict().items()}
    )
    torch.testing.assert_close(out.total, alone(encoders, small_batch(4)).total)


def test_heads_map_onto_the_released_ones() -> None:
    objective, _ = make()
    prefixes = {key.rsplit(".", 2)[0] for key in objective.state_dict()}
    assert prefixes == set(objective.released_heads)
    released = ("video_clr", "audio_clr", "video_aot", "audio_aot", "aot_diff")
    assert set(objective.released_heads.values()) == {f"mlp.{name}" for name in released}


def test_one_pass_keeps_the_clips_apart() -> None:
    _, encoders = make()
    batch = small_batch(3)
    features = encode_moment(encoders, batch)
    torch.testing.assert_close(features.before, encoders.encode_video(batch["video_before"]))
    torch.testing.assert_close(features.after, encoders.encode_video(batch["video_after"]))
    torch.testing.assert_close(features.audio, encoders.encode_audio(batch["audio"]))


def test_losses_compute_in_full_precision_under_autocast() -> None:
    objective, encoders = make()
    batch = small_batch(3)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert encoders.encode_video(batch["video_before"]).dtype == torch.bfloat16
        features = encode_moment(encoders, batch)
        out = objective(encoders, batch)
    torch.testing.assert_close(out.total, objective.compare(features).total)  # type: ignore[operator]


def test_missing_view() -> None:
    objective, encoders = make()
    batch = small_batch(2)
    del batch["audio"]
    with pytest.raises(KeyError, match="audio"):
        objective(encoders, batch)


def test_unknown_name_lists_the_known_ones() -> None:
    with pytest.raises(ValueError, match=r"'repali'.*avc, astc, replai, avid"):
        make(name="repali")


@pytest.mark.parametrize(
    "change",
    [
        {"clip_seconds": 0.0},
        {"num_frames": 0},
        {"audio_seconds": -1.0},
        {"avc_temperature": 0.0},
        {"astc_temperature": 0.0},
        {"delta_seconds": -0.1},
        {"avc_weight": -1.0},
        {"astc_weight": -1.0},
        {"out_dim": 0},
    ],
)
def test_settings_that_make_no_sense(change: dict[str, float]) -> None:
    ((name, value),) = change.items()
    with pytest.raises(ValueError, match=f"{name}={value}"):
        ObjectiveConfig(**change)  # type: ignore[arg-type]


def test_weights_cannot_both_be_zero() -> None:
    with pytest.raises(ValueError, match="one must be > 0"):
        ObjectiveConfig(avc_weight=0, astc_weight=0)


def test_config_survives_omegaconf() -> None:
    merged = OmegaConf.merge(
        OmegaConf.structured(ObjectiveConfig), {"name": "avc", "out_dim": 64, "astc_weight": 0}
    )
    expected = ObjectiveConfig(name="avc", out_dim=64, astc_weight=0.0)
    assert OmegaConf.to_object(merged) == expected
