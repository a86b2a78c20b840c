"""A picture with the network's values drawn beside it."""

from __future__ import annotations

from collections import deque

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from agents.playback.game import PlayedStep

HEIGHT = 420  # approximate height in pixels of the enlarged screen
WIDTH = 220  # of the panel
NAMES, BARS = 96, 108  # x at which names end and bars begin
LEGIBLE = 8  # least row height in pixels at which action names are drawn
VALUE_HISTORY = 200  # values in the plot at the bottom
ATTENTION_HEIGHT = 48  # height in pixels of the attention strip with its title
INK, FAINT, BAR, CHOSEN = (235, 235, 235), (130, 130, 130), (70, 110, 170), (240, 150, 40)


class Panel:
    """Draws each action's value above the lowest one as a bar, and the highest value over time as a line.

    For policies with attention over past frames it also draws the weights, the newest at the right.
    """

    def __init__(self, names: list[str]) -> None:
        self.names = names
        self.values: deque[float] = deque(maxlen=VALUE_HISTORY)
        self.widest = 1e-6  # largest value difference so far: it only grows, so that the scale of the bars is steady
        self.font = ImageFont.load_default(13)

    def beside(self, moment: PlayedStep) -> NDArray[np.uint8]:
        """Return the enlarged picture with the panel to its right: uint8 [H, W, 3], H and W even."""
        factor = max(HEIGHT // moment.picture.shape[0], 1)
        screen = moment.picture.repeat(factor, axis=0).repeat(factor, axis=1)
        screen = screen[: screen.shape[0] // 2 * 2, : screen.shape[1] // 2 * 2]
        self.values.append(float(moment.q.max()))
        panel = Image.new("RGB", (WIDTH, screen.shape[0]))
        draw = ImageDraw.Draw(panel)
        draw.text((8, 6), f"score {moment.score:g}", INK, self.font)
        draw.text((8, 24), f"max Q {self.values[-1]:.3f}", INK, self.font)
        bottom = screen.shape[0] - 78
        if moment.attention is not None:
            bottom -= ATTENTION_HEIGHT
            self._strip(draw, moment.attention, bottom)
        self._bars(draw, moment, (48, bottom))
        self._line(draw, screen.shape[0] - 68, screen.shape[0] - 8)
        return np.concatenate((screen, np.asarray(panel)), axis=1)

    def _bars(self, draw: ImageDraw.ImageDraw, moment: PlayedStep, room: tuple[int, int]) -> None:
        above = moment.q - moment.q.min()
        self.widest = max(self.widest, float(above.max()))
        height = min((room[1] - room[0]) / len(self.names), 22.0)
        gap = min(2.0, height / 4)
        for a, name in enumerate(self.names):
            top, colour = room[0] + a * height, CHOSEN if a == moment.action else BAR
            length = (WIDTH - BARS - 8) * float(above[a]) / self.widest
            if height >= LEGIBLE:
                named = CHOSEN if a == moment.action else FAINT
                draw.text((NAMES, top + height / 2), name[:13].lower(), named, self.font, "rm")
            draw.rectangle((BARS, top + gap, BARS + 1 + length, top + height - gap), colour)

    def _strip(self, draw: ImageDraw.ImageDraw, weights: NDArray[np.float32], top: int) -> None:
        room, width = ATTENTION_HEIGHT - 22, (WIDTH - 16) / len(weights)
        draw.text((8, top), f"weight of the last {len(weights)} frames", FAINT, self.font)
        for place, weight in enumerate(weights.tolist()):
            left, low = 8 + place * width, top + ATTENTION_HEIGHT - 4
            draw.rectangle((left, low - room * weight, left + max(width - 2, 0), low), CHOSEN if weight > 0 else FAINT)

    def _line(self, draw: ImageDraw.ImageDraw, top: int, bottom: int) -> None:
        low, high = min(self.values), max(self.values)
        scale = (bottom - top) / max(high - low, 1e-6)
        places = [(8 + x * (WIDTH - 16) / VALUE_HISTORY, bottom - (v - low) * scale) for x, v in enumerate(self.values)]
        draw.line(places, INK)
        draw.text((8, top), f"{high:.2f}", FAINT, self.font)
        draw.text((8, bottom), f"{low:.2f}", FAINT, self.font, "ls")
