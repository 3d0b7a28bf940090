import numpy as np
import pytest
import torch

from replai.models import LogMel, LogMelConfig, VideoInput
from tests.reference import spectrogram


def test_video_is_normalised_by_channel(device: torch.device) -> None:
    video = torch.randint(0, 256, (2, 3, 4, 5, 6), dtype=torch.uint8)
    out = VideoInput().to(device)(video.to(device))
    assert out.dtype == torch.float32 and out.device.type == device.type
    out = out.cpu()
    for channel, (mean, std) in enumerate(((0.485, 0.229), (0.456, 0.224), (0.406, 0.225))):
        expected = (video[:, channel].numpy() / 255.0 - mean) / std
        np.testing.assert_allclose(out[:, channel].numpy(), expected, rtol=1e-5, atol=1e-6)


def test_video_must_be_bytes() -> None:
    with pytest.raises(TypeError, match=r"torch.float32, must be torch.uint8"):
        VideoInput()(torch.zeros(1, 3, 1, 2, 2))


def test_video_constants_stay_out_of_checkpoints() -> None:
    assert not VideoInput().state_dict()


@pytest.mark.parametrize(
    ("rate", "n_fft", "hop", "bands", "num_samples"),
    [(16000, 512, 256, 80, 32000), (16000, 512, 256, 80, 512), (8000, 256, 100, 20, 3001)],
)
def test_log_mel_equals_oracle(
    rate: int, n_fft: int, hop: int, bands: int, num_samples: int, device: torch.device
) -> None:
    config = LogMelConfig(sample_rate_hz=rate, n_fft=n_fft, hop=hop, num_bands=bands)
    waveform = np.random.default_rng(0).uniform(-1, 1, num_samples)
    on_device = torch.from_numpy(waveform).float().to(device)[None, None]
    out = LogMel(config).to(device)(on_device).cpu()
    expected = spectrogram.log_mel(waveform, rate, n_fft, hop, bands, -7.03, 4.66)
    assert out.shape == (1, 1, bands, 1 + (num_samples - n_fft) // hop)
    np.testing.assert_allclose(out[0, 0].numpy(), expected, atol=1e-3)


def test_two_seconds_are_124_frames() -> None:
    assert LogMel(LogMelConfig())(torch.randn(3, 1, 32000)).shape == (3, 1, 80, 124)


def test_silence_is_the_floor(device: torch.device) -> None:
    out = LogMel(LogMelConfig()).to(device)(torch.zeros(1, 1, 1024, device=device))
    torch.testing.assert_close(out, torch.full_like(out, (np.log(1e-10) + 7.03) / 4.66))


def test_log_mel_keeps_full_precision_under_autocast(device: torch.device) -> None:
    waveform, log_mel = torch.randn(1, 1, 2048).to(device), LogMel(LogMelConfig()).to(device)
    with torch.autocast(device.type, dtype=torch.bfloat16):
        out = log_mel(waveform)
    assert out.dtype == torch.float32
    torch.testing.assert_close(out, log_mel(waveform), rtol=0, atol=0)


def test_too_short_a_waveform() -> None:
    with pytest.raises(RuntimeError):
        LogMel(LogMelConfig())(torch.zeros(1, 1, 511))


@pytest.mark.parametrize(
    "change",
    [
        {"sample_rate_hz": 0},
        {"n_fft": 0},
        {"hop": 0},
        {"num_bands": 0},
        {"std": 0.0},
        {"epsilon": -1.0},
    ],
)
def test_settings_that_make_no_sense(change: dict[str, float]) -> None:
    ((name, value),) = change.items()
    with pytest.raises(ValueError, match=f"{name}={value}"):
        LogMelConfig(**change)  # type: ignore[arg-type]
