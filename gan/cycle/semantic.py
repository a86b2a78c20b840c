"""The semantic consistency loss: translations keep their class (Hoffman et al. 2018, arXiv:1711.03213)."""

from __future__ import annotations

from typing import Any

import torch.nn.functional as F
from torch import Tensor

from gan.cycle.domains import Domains
from gan.data.order import classes_for
from gan.evaluation.features import Classifier, train_classifier, untrained_classifier
from training.arrays import arrays_of, load_arrays


class SemanticLoss:
    """A classifier per domain, trained on the images of that domain only, for translations into it.

    The paper has one classifier, of the domain with known classes. Here both domains have them; pairs are not used.

    Raises:
        ValueError: images have no classes.
    """

    def __init__(self, domains: Domains, seed: int, device: str) -> None:
        self.labels = [classes_for("--held.meaning 0", domain, device) for domain in domains]
        self.domains, self.seed, self.device = domains, seed, device
        self.readers: list[Classifier] = []

    def prepare(self) -> None:
        """Train both classifiers, unless a checkpoint or an earlier call provided them.

        Call it outside of autocast, whose cached casts of the weights would not follow their updates.
        """
        if not self.readers:
            self.readers = [self._kept(train_classifier(domain, self.seed)[0]) for domain in self.domains]

    def _kept(self, network: Classifier) -> Classifier:
        return network.to(self.device).eval().requires_grad_(False)

    def lost(self, rows: list[Tensor], fake_x: Tensor, fake_y: Tensor) -> Tensor:
        """Return the cross-entropy [] between translations and the classes of their source images, summed over domains.

        Call `prepare` before.

        Args:
            rows: indices [B / 2] int64 of the training images x and y.
            fake_x, fake_y: translations [B / 2, C, H, W] of y and of x.
        """
        x, y = self.readers
        of_x, of_y = (labels[index] for labels, index in zip(self.labels, rows, strict=True))
        return F.cross_entropy(y(fake_y).float(), of_x) + F.cross_entropy(x(fake_x).float(), of_y)

    def state(self) -> dict[str, Any]:
        """Return both classifiers as arrays, so that a resumed run does not train them again; train them if needed."""
        self.prepare()
        return {str(index): arrays_of(reader) for index, reader in enumerate(self.readers)}

    def load_state(self, state: dict[str, Any]) -> None:
        """Restore `state`.

        Raises:
            ValueError: colours or the number of classes differ.
        """
        networks = [untrained_classifier(domain) for domain in self.domains]
        for index, network in enumerate(networks):
            load_arrays(network, state[str(index)])
        self.readers = [self._kept(network) for network in networks]
