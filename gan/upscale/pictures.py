"""Images and a comparison picture of an upscaler."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from gan.data.images import Pixels
from gan.samples.pictures import grid
from gan.samples.sampling import draw
from gan.upscale.lowering import clips, enlarged, lower, stacked
from gan.upscale.networks import Upscaler

CHUNK = 16  # images per forward pass


def upscaled(generator: Upscaler, small: Pixels) -> Pixels:
    """Map small images uint8 [B, T, C, h, w] -> large ones uint8 [B, C, T 2h, 2w]; keep the generator's mode."""
    return stacked(torch.from_numpy(draw(generator, torch.from_numpy(small), None, CHUNK))).numpy()


def compared(generator: Upscaler, seed: int = 0) -> NDArray[np.uint8]:
    """Draw examples in rows: small, bicubic, upscaled, true -> [H', W', 3]; last frames of clips. Ignores `seed`."""
    truth, frames = generator.examples.cpu(), generator.frames
    small = lower(truth, frames)
    columns = [enlarged(small, "nearest"), enlarged(small, "bicubic"), upscaled(generator, small.numpy()), truth]
    last = [clips(torch.as_tensor(images), frames)[:, -1] for images in columns]
    images = torch.stack(last, 1).flatten(0, 1).contiguous().numpy()
    return grid(images, len(columns))
