"""The style-based generator; the discriminator is that of the standard family.

Legend: B batch, C colours, Z size of a latent, S size of a style, L layers. Images are float in -1..1.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gan.layers import PixelNorm, Pointwise, equalised
from gan.shapes import Shape, stages_of
from gan.standard.networks import NetworkSettings
from gan.style.layers import Dense, Place, StyledLayer
from training.settings import check_kinds


@dataclass(frozen=True, kw_only=True)
class StyleNetworkSettings:
    """Architecture of both networks."""

    latent: int = 64  # size of z
    style: int = 64  # size of w
    mapping_layers: int = 4  # dense layers from z to w
    mapping_rate: float = 0.1  # learning rate of the mapping network as a share of the generator's
    generator_width: int = 16  # channels at the full size, doubled at each halving of the side
    discriminator_width: int = 32  # channels of the first layer
    discriminator_hidden: int = 0  # units of a dense layer before the last one; 0 for none
    conditional: bool = False  # class-conditional: an embedding as the first layer's style, projection out

    def __post_init__(self) -> None:
        check_kinds(self, "network")
        if min(self.latent, self.style, self.mapping_layers, self.generator_width) < 1:
            raise ValueError("network.latent, style, mapping_layers and generator_width must be 1 or more")
        self.opponent()  # validates its settings
        if not 0 < self.mapping_rate <= 1:
            raise ValueError(f"network.mapping_rate is {self.mapping_rate}: use more than 0, and 1 at most")

    def opponent(self) -> NetworkSettings:
        """Return the settings of the discriminator."""
        return NetworkSettings(
            discriminator_width=self.discriminator_width,
            discriminator_hidden=self.discriminator_hidden,
            conditional=self.conditional,
        )


class StyleGenerator(nn.Module):
    """Latents [B, Z] float32 -> images [B, C, H, W] float32 in -1..1, via styles [B, L, S], one per layer."""

    normalised = True

    def __init__(self, settings: StyleNetworkSettings, shape: Shape, classes: int = 0) -> None:
        super().__init__()
        colours, height, width = shape
        self.latent, stages = settings.latent, stages_of(height, width)
        self.embedding = nn.Embedding(classes, settings.style) if settings.conditional else None
        channels, side = settings.generator_width << stages, (height >> stages, width >> stages)
        self.mapping = nn.Sequential(PixelNorm(), *_mapping(settings))
        self.constant = nn.Parameter(torch.randn(1, channels, *side))
        layers, self.sides = list[nn.Module](), [side, side]
        places: list[tuple[Place, int]] = [("same", channels)] * 2
        for stage in range(1, stages + 1):
            outer, side = channels >> stage, (side[0] * 2, side[1] * 2)
            places += [("double", outer), ("same", outer)]
            self.sides += [side, side]
        for place, outer in places:
            layers.append(StyledLayer(channels, outer, settings.style, place))
            channels = outer
        self.layers = nn.ModuleList(layers)
        widths = [settings.generator_width << stage for stage in range(stages, -1, -1)]
        self.to_image = nn.ModuleList(equalised(Pointwise(each, colours), gain=1.0) for each in widths)
        for index, noise in enumerate(self.noise(1, torch.Generator().manual_seed(0))):
            self.register_buffer(f"noise{index}", noise)

    @property
    def middle(self) -> int:
        """First fine layer: the first above the smallest size; if conditional, the first with a style from w."""
        return 2 if self.embedding is None else 1

    @property
    def depth(self) -> int:
        """L: two layers per size."""
        return len(self.layers)

    def noise(self, amount: int, rng: torch.Generator) -> list[Tensor]:
        """Sample standard normal noise [amount, 1, H, W] for each layer, on the CPU."""
        return [torch.randn(amount, 1, *side, generator=rng) for side in self.sides]

    def synthesis(self, styles: Tensor, label: Tensor | None = None, noise: list[Tensor] | None = None) -> Tensor:
        """Return images of styles [B, S] or [B, L, S], and of classes [B] if conditional.

        The class replaces the style of the first layer only, so that the other styles do not depend on it.
        `noise` defaults to the fixed noise in the buffers, which all images share.
        """
        if styles.dim() == 2:
            styles = styles[:, None].expand(-1, self.depth, -1)
        if self.embedding is not None:
            assert label is not None, "a conditional generator needs classes"
            styles = torch.cat([self.embedding(label)[:, None], styles[:, 1:]], 1)
        if noise is None:
            noise = [getattr(self, f"noise{index}") for index in range(self.depth)]
        x, image = self.constant.expand(len(styles), -1, -1, -1), torch.zeros((), device=styles.device)
        for index, (layer, style, each) in enumerate(zip(self.layers, styles.unbind(1), noise, strict=True)):
            x = layer(x, style, each)
            if index % 2:  # the second layer of a size: its image is added to the enlarged one of the smaller size
                drawn = self.to_image[index // 2](x)
                image = drawn if index == 1 else drawn + enlarged(image)
        return image.float().tanh()

    def forward(self, latent: Tensor, label: Tensor | None = None) -> Tensor:
        """Return images with the style of one latent in all layers."""
        return self.synthesis(self.mapping(latent), label)


def enlarged(images: Tensor) -> Tensor:
    """Enlarge [B, C, H, W] to twice the side, bilinearly."""
    return F.interpolate(images, scale_factor=2, mode="bilinear", align_corners=False)


def _mapping(settings: StyleNetworkSettings) -> list[nn.Module]:
    layers, inputs = list[nn.Module](), settings.latent
    for _ in range(settings.mapping_layers):
        layers += [Dense(inputs, settings.style, rate=settings.mapping_rate), nn.LeakyReLU(0.2)]
        inputs = settings.style
    return layers


def switch_styles(first: Tensor, second: Tensor, layer: Tensor, depth: int) -> Tensor:
    """Return styles [B, L, S]: `first` [B, S] before `layer` [B], `second` [B, S] from there on (section 3.1)."""
    before = torch.arange(depth, device=layer.device) < layer[:, None]
    return torch.where(before[:, :, None], first[:, None], second[:, None])
