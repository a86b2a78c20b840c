"""Image shapes, and the number of resolution stages of networks."""

from __future__ import annotations

Shape = tuple[int, int, int]  # C colours, H and W pixels


def stages_of(height: int, width: int) -> int:
    """Return how often images are halved: until a side is odd or below 8 pixels (28 -> 7, 32 -> 4, 64 -> 4).

    Raises:
        ValueError: they cannot be halved.
    """
    stages = 0
    while height % 2 == width % 2 == 0 and min(height, width) >= 8:
        height, width, stages = height // 2, width // 2, stages + 1
    if stages == 0:
        raise ValueError(
            f"images of {height}x{width} pixels cannot be halved: give --data.size 28, 32 or 64 (arrays: scale them "
            "before you save them), or use kind mlp"
        )
    return stages
