"""The features of docs/features.md in numpy, for training: the same definitions as operators/src/features.

Each function takes windows as rows of a float64 array and gives one column per figure.
"""

import numpy as np


def moments(x):
    mean = x.mean(axis=1)
    d = x - mean[:, None]
    m2, m3, m4 = ((d**p).mean(axis=1) for p in (2, 3, 4))
    rms = np.sqrt((x**2).mean(axis=1))
    peak = np.abs(x).max(axis=1)
    mean_abs = np.abs(x).mean(axis=1)
    return {
        "mean": mean,
        "std": np.sqrt(m2),
        "rms": rms,
        "skewness": m3 / m2**1.5,
        "kurtosis": m4 / m2**2,
        "crest_factor": peak / rms,
        "peak_to_peak": x.max(axis=1) - x.min(axis=1),
        "zero_crossing_rate": ((d[:, 1:] < 0) != (d[:, :-1] < 0)).sum(axis=1) / (x.shape[1] - 1),
        "shape_factor": rms / mean_abs,
        "impulse_factor": peak / mean_abs,
    }


def power(x):
    n = x.shape[1]
    hann = 0.5 * (1 - np.cos(2 * np.pi * np.arange(n) / n))
    d = x - x.mean(axis=1, keepdims=True)
    return np.abs(np.fft.rfft(d * hann, axis=1)) ** 2


def band_shares(x, bands):
    lines = power(x)[:, 1:]
    total = lines.sum(axis=1)
    n = lines.shape[1]
    edges = [b * n // bands for b in range(bands + 1)]
    return {f"band_{b}": lines[:, edges[b] : edges[b + 1]].sum(axis=1) / total for b in range(bands)}


def spectral_centroid(x, rate):
    p = power(x)[:, 1:]
    k = np.arange(1, p.shape[1] + 1)
    return {"spectral_centroid": (p * k).sum(axis=1) / p.sum(axis=1) * rate / x.shape[1]}


def envelope(x, rate, at, shaft_hz, band_hz=None, tolerance=0.02, harmonics=1):
    n = x.shape[1]
    line_hz = rate / n
    low, high = band_hz or (0.0, rate / 2)
    first = max(int(np.ceil(low / line_hz)), 1)
    last = min(int(np.floor(high / line_hz)), n // 2)
    lines = last + 1 - first
    points = max(1 << (lines - 1).bit_length(), 4)
    spectrum = np.fft.rfft(x - x.mean(axis=1, keepdims=True), axis=1)[:, first : last + 1]
    analytic = np.zeros((len(x), points), complex)
    analytic[:, :lines] = 2 * spectrum
    env = np.abs(np.fft.ifft(analytic, axis=1)) * points
    amplitude = np.abs(np.fft.rfft(env - env.mean(axis=1, keepdims=True), axis=1))
    mean = amplitude[:, 1:].mean(axis=1)
    out = {}
    for name in sorted(at):
        total = np.zeros(len(x))
        for h in range(1, harmonics + 1):
            hz = at[name] * shaft_hz * h
            lo = max(int(np.floor(hz * (1 - tolerance) / line_hz)), 1)
            hi = min(int(np.ceil(hz * (1 + tolerance) / line_hz)), amplitude.shape[1] - 1)
            total += amplitude[:, lo : hi + 1].max(axis=1)
        out["env_" + name] = total / harmonics / mean
    return out
