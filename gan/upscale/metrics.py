"""Fidelity and sharpness of enlarged images. Legend: N images, H and W pixels of luma."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from gan.data.images import Pixels

Luma = NDArray[np.float64]
WINDOW, SIGMA = 11, 1.5  # of SSIM, as in its paper
C1, C2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2


def luma(images: Pixels, border: int) -> Luma:
    """Return the luma Y (ITU-R BT.601, 16 to 235) of RGB uint8 [N, C, H, W], without `border` pixels on each side.

    Publications on super-resolution compare this Y. Without three colours, the mean over channels.
    """
    inner = images[:, :, border : images.shape[2] - border, border : images.shape[3] - border].astype(np.float64)
    if images.shape[1] != 3:
        found: Luma = inner.mean(1)
        return found
    weighed: Luma = 16 + np.tensordot(inner, np.array([65.481, 128.553, 24.966]) / 255, (1, 0))
    return weighed


def psnr(a: Luma, b: Luma) -> NDArray[np.float64]:
    """Return 10 log10(255^2 / mean squared error) of each image [N] in dB, at most 100."""
    error = ((a - b) ** 2).mean((1, 2))
    found: NDArray[np.float64] = 10 * np.log10(255**2 / error.clip(255**2 / 1e10))
    return found


def ssim(a: Luma, b: Luma) -> NDArray[np.float64]:
    """Return the structural similarity of each image [N] (Wang et al. 2004, equation 13), averaged over windows.

    Windows are Gaussian, 11x11 pixels with sigma 1.5, inside the image; smaller images have smaller windows.
    """
    size = min(WINDOW, *a.shape[1:])
    line = np.exp(-((np.arange(size) - (size - 1) / 2) ** 2) / (2 * SIGMA**2))
    line /= line.sum()

    def mean(x: Luma) -> Luma:
        height, width = (side - size + 1 for side in x.shape[1:])
        down = sum(weight * x[:, index : index + height] for index, weight in enumerate(line))
        across: Luma = sum(weight * down[:, :, index : index + width] for index, weight in enumerate(line))
        return across

    mean_a, mean_b = mean(a), mean(b)
    var_a, var_b, cov = mean(a * a) - mean_a**2, mean(b * b) - mean_b**2, mean(a * b) - mean_a * mean_b
    places = (2 * mean_a * mean_b + C1) * (2 * cov + C2) / ((mean_a**2 + mean_b**2 + C1) * (var_a + var_b + C2))
    found: NDArray[np.float64] = places.mean((1, 2))
    return found


def slope(a: Luma) -> float:
    """Return the mean gradient length over all images, by finite differences; it grows with sharpness and noise."""
    down, across = np.diff(a, axis=1)[:, :, :-1], np.diff(a, axis=2)[:, :-1]
    return float(np.hypot(down, across).mean())


def flicker(found: NDArray[np.float64], truth: NDArray[np.float64]) -> float:
    """Return the mean absolute error of the frame-to-frame changes of clips [N, T, ...]."""
    return float(np.abs(np.diff(found, axis=1) - np.diff(truth, axis=1)).mean())
