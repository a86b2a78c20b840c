"""The style-based generator; its opponent is the standard family's discriminator.

Legend: B batch, C colours, Z latent numbers, S numbers of a style, L layers. Images are float in -1..1.
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
    """The two players."""

    latent: int = 64  # numbers of z
    style: int = 64  # numbers of w
    mapping_layers: int = 4  # between z and w
    mapping_rate: float = 0.1  # of the mapping network's learning, as a share of the generator's
    generator_width: int = 16  # channels of the last features, twice as many at each halving of the side
    discriminator_width: int = 32  # channels of the first layer
    discriminator_hidden: int = 0  # units of a dense layer before its last one; 0 leaves it out
    conditional: bool = False  # both are told the class: it is the first layer's style, and projected on at the end

    def __post_init__(self) -> None:
        check_kinds(self, "network")
        if min(self.latent, self.style, self.mapping_layers, self.generator_width) < 1:
            raise ValueError("network.latent, style, mapping_layers and generator_width must be 1 or more")
        self.opponent()  # has its own checks
        if not 0 < self.mapping_rate <= 1:
            raise ValueError(f"network.mapping_rate is {self.mapping_rate}: use more than 0, and 1 at most")

    def opponent(self) -> NetworkSettings:
        """The standard discriminator."""
        return NetworkSettings(
            discriminator_width=self.discriminator_width,
            discriminator_hidden=self.discriminator_hidden,
            conditional=self.conditional,
        )


class StyleGenerator(nn.Module):
    """Latents [B, Z] float32 -> images [B, C, H, W] float32 in -1..1, through styles [B, L, S], one for each layer."""

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
        """The first of the fine layers: those above the smallest size, or all but the one whose style is the class."""
        return 2 if self.embedding is None else 1

    @property
    def depth(self) -> int:
        """L: two layers for each size."""
        return len(self.layers)

    def noise(self, amount: int, rng: torch.Generator) -> list[Tensor]:
        """Standard normal [amount, 1, H, W] for each layer, drawn on the CPU."""
        return [torch.randn(amount, 1, *side, generator=rng) for side in self.sides]

    def synthesis(self, styles: Tensor, label: Tensor | None = None, noise: list[Tensor] | None = None) -> Tensor:
        """Images of styles [B, S] or [B, L, S], when conditional of classes [B].

        A class is the first layer's style, and is told to no other: what their styles say, they say of any class.
        Without noise, with that which every image has in evaluation.
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
            if index % 2:  # the second layer of a size: what it draws is added to the smaller size's image, enlarged
                drawn = self.to_image[index // 2](x)
                image = drawn if index == 1 else drawn + enlarged(image)
        return image.float().tanh()

    def forward(self, latent: Tensor, label: Tensor | None = None) -> Tensor:
        """Images, each of one latent's styles in all layers."""
        return self.synthesis(self.mapping(latent), label)


def enlarged(images: Tensor) -> Tensor:
    """[B, C, H, W] at twice the side, bilinear."""
    return F.interpolate(images, scale_factor=2, mode="bilinear", align_corners=False)


def _mapping(settings: StyleNetworkSettings) -> list[nn.Module]:
    layers, inputs = list[nn.Module](), settings.latent
    for _ in range(settings.mapping_layers):
        layers += [Dense(inputs, settings.style, rate=settings.mapping_rate), nn.LeakyReLU(0.2)]
        inputs = settings.style
    return layers


def crossed(first: Tensor, second: Tensor, layer: Tensor, depth: int) -> Tensor:
    """Styles [B, L, S]: of `first` [B, S] before layer [B], of `second` [B, S] from there on (section 3.1)."""
    before = torch.arange(depth, device=layer.device) < layer[:, None]
    return torch.where(before[:, :, None], first[:, None], second[:, None])
