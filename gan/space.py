"""Search spaces of GAN sweeps."""

from __future__ import annotations

from typing import Any

from gan.standard.settings import GanSettings
from training.search import Lines, Metric, Searchable, log_around
from training.settings import changed

SPREAD = 10  # ranges are the preset's value / SPREAD to * SPREAD
RATES = ("training.generator_rate", "training.discriminator_rate")
LOSS = "loss.kind+loss.penalty"  # chosen together, since most combinations are invalid
LOSSES = (  # mutations move to neighbours
    "relativistic/r1r2", "relativistic/r1", "nonsaturating/r1r2", "nonsaturating/r1", "least_squares/r1", "hinge/r1",
    "hinge/none", "wasserstein/gradient", "nonsaturating/none", "least_squares/none",
)  # fmt: skip


def spaces(settings: GanSettings) -> dict[str, Lines]:
    """Return the space: rates and penalty weight around the preset's, and all losses that its networks allow."""
    losses = losses_for(settings)
    penalised = any(not loss.endswith("/none") for loss in losses)
    return {"learning": {**around(settings, penalised), LOSS: {"choice": [*losses]}}}


def around(settings: Any, penalised: bool = True) -> Lines:
    """Return ranges of both rates, and of the penalty's weight if there is one, around the preset's."""
    middle = {RATES[0]: settings.training.generator_rate, RATES[1]: settings.training.discriminator_rate}
    if penalised:
        middle["loss.weight"] = settings.loss.weight or 1.0
    return {name: log_around(value, SPREAD) for name, value in middle.items()}


def losses_for(settings: GanSettings) -> list[str]:
    """Return the losses that the preset's networks allow; without batch norm, its own and those with a penalty."""
    found = []
    for loss in LOSSES:
        kind, penalty = loss.split("/")
        try:
            changed(settings, {"loss.kind": kind, "loss.penalty": penalty})
        except ValueError:  # an invalid combination
            continue
        found.append(loss)
    with_penalty = [loss for loss in found if not loss.endswith("/none")]
    spectral = settings.network.discriminator_norm == "spectral"
    own = f"{settings.loss.kind}/{settings.loss.penalty}"
    return found if spectral or not with_penalty else [loss for loss in found if loss in (*with_penalty, own)]


SEARCH = Searchable(
    metric=Metric(
        "fd_clf",
        "min",
        worst=1e6,
        beside=("fd_floor", "kid_clf", "precision", "recall", "density", "coverage"),
        kept=True,
    ),
    spaces=spaces,
    fixed=("data.", "scores."),
    cloned=(*RATES, "loss.", "training.beta"),
)
