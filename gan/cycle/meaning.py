"""What keeps a digit the digit it is (Hoffman et al. 2018, arXiv:1711.03213, semantic consistency)."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from gan.cycle.domains import Domains
from gan.data.order import classes_for
from gan.evaluation.features import train_classifier


class Meaning:
    """A classifier of each domain, trained on its own images alone, reads what a translator draws for it.

    The paper has one classifier, of the domain whose classes are known. Here both domains' are, and no pair is.

    Raises:
        ValueError: images have no classes.
    """

    def __init__(self, domains: Domains, seed: int, device: str) -> None:
        self.labels = [classes_for("--held.meaning 0", domain, device) for domain in domains]
        trained = [train_classifier(domain, seed)[0] for domain in domains]
        self.readers = [network.to(device).eval().requires_grad_(False) for network in trained]

    def lost(self, rows: list[Tensor], fake_x: Tensor, fake_y: Tensor) -> Tensor:
        """Cross-entropy of what is read in translations against the classes of the images that they were made of.

        Args:
            rows: of the training images x and y [B / 2] int64 of both domains.
            fake_x, fake_y: translations [B / 2, C, H, W] of y and of x.
        """
        x, y = self.readers
        of_x, of_y = (labels[index] for labels, index in zip(self.labels, rows, strict=True))
        return F.cross_entropy(y(fake_y).float(), of_x) + F.cross_entropy(x(fake_x).float(), of_y)
