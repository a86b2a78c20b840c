"""Settings of `agents.sac.learner`."""

from __future__ import annotations

from dataclasses import dataclass

from training.device import Precision, check_device
from training.settings import check_kinds


@dataclass(frozen=True, kw_only=True)
class SacLearnerSettings:
    """How actor, critics and temperature are trained; the defaults are those of Bhatt et al. (2024)."""

    batch_size: int = 256
    learning_rate: float = 1e-3  # of actor, critics and temperature
    adam_beta1: float = 0.5  # of actor and critics; the temperature's is 0.9
    gamma: float = 0.99
    policy_delay: int = 3  # updates of the critics per update of actor and temperature
    renorm_updates: int = 100_000  # updates with plain batch norm, before batch renorm begins
    target_entropy: float = -1.0  # per joint, of the squashed torques
    max_grad_norm: float = 1e6  # of both critics together; the paper does not clip
    precision: Precision = "fp32"  # small layers gain nothing from bf16
    device: str = "auto"  # auto: cuda where there is one, else cpu

    def __post_init__(self) -> None:
        check_kinds(self, "learner")
        if self.batch_size < 2 or self.policy_delay < 1 or self.renorm_updates < 0:
            raise ValueError(
                "learner.batch_size must be 2 or more (its statistics are used), policy_delay 1 or more, "
                "renorm_updates 0 or more"
            )
        if not (self.learning_rate > 0 and self.max_grad_norm > 0):
            raise ValueError("learner.learning_rate and max_grad_norm must be above 0")
        if not 0 <= self.adam_beta1 < 1 or not 0 <= self.gamma <= 1:
            raise ValueError(f"learner.adam_beta1 is {self.adam_beta1}, learner.gamma {self.gamma}: both lie in 0..1")
        check_device("learner", self.device)
