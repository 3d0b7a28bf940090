"""The log-mel spectrogram once more, in numpy, from the definitions."""

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def log_mel(
    waveform: Array, rate: int, n_fft: int, hop: int, bands: int, mean: float, std: float
) -> Array:
    """[bands, frames] of a waveform [samples]."""
    n = np.arange(n_fft)
    window = 0.5 - 0.5 * np.cos(2 * np.pi * n / n_fft)
    columns = []
    for start in range(0, len(waveform) - n_fft + 1, hop):
        spectrum = np.fft.rfft(waveform[start : start + n_fft] * window)
        power = mel_bank(rate, n_fft, bands) @ np.abs(spectrum) ** 2
        columns.append(np.log(np.maximum(power, 1e-10)))
    return (np.stack(columns, axis=1) - mean) / std


def mel_bank(rate: int, n_fft: int, bands: int) -> Array:
    """[bands, n_fft // 2 + 1]: triangles with equal steps on the HTK scale, peak 1."""
    highest = 2595 * np.log10(1 + rate / 2 / 700)
    corners = 700 * (10 ** (np.linspace(0, highest, bands + 2) / 2595) - 1)
    frequencies = np.linspace(0, rate / 2, n_fft // 2 + 1)
    bank = np.zeros((bands, len(frequencies)))
    for band in range(bands):
        low, peak, high = corners[band : band + 3]
        for k, frequency in enumerate(frequencies):
            rise, fall = (frequency - low) / (peak - low), (high - frequency) / (high - peak)
            bank[band, k] = max(0.0, min(rise, fall))
    return bank
