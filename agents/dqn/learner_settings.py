"""Settings of `agents.dqn.learner`."""

from __future__ import annotations

from dataclasses import dataclass

from agents.networks.losses import ErrorLoss
from training.device import Precision, check_device
from training.settings import check_kinds

AVERAGE_PERIOD = 20  # learner updates between steps of the policy's moving average


@dataclass(frozen=True, kw_only=True)
class LearnerSettings:
    """Settings of learner updates."""

    batch_size: int = 32
    learning_rate: float = 2.5e-4
    adam_epsilon: float = 1e-5
    gamma: float = 0.99
    double: bool = False
    munchausen: float = 0.0  # weight of the scaled log-policy added to rewards; 0 for none, usually 0.9
    temperature: float = 0.03  # of the soft policy of Munchausen
    conservative: float = 0.0  # weight of the CQL loss, for offline data (`agents.imitation`)
    loss: ErrorLoss = "huber"  # of scalar errors: "huber" clips them, "squared" is the plain loss of 2013
    reward_clip: float = 1.0  # bound of the rewards that are learned; 0 leaves them raw
    target_period: int = 2_500  # learner updates between copies to the target network
    target_rate: float = 1.0  # weight of the online network in such a copy; below 1 with `target_period` 1: soft
    average_rate: float = 1.0  # weight of the online network in the policy's average, every 20 updates; 1 for none
    max_grad_norm: float = 10.0
    reset_period: int = 0  # updates between resets (`agents.dqn.resets`); 0 for none
    precision: Precision = "auto"  # auto: bf16 where it is faster, decided by each process
    device: str = "auto"  # auto: cuda if available, else cpu

    def __post_init__(self) -> None:
        check_kinds(self, "learner")
        if self.batch_size < 1 or self.target_period < 1:
            raise ValueError("learner.batch_size and learner.target_period must be 1 or more")
        if self.reset_period < 0:
            raise ValueError(f"learner.reset_period is {self.reset_period}: use 0 (never) or a number of updates")
        if not (self.learning_rate > 0 and self.adam_epsilon > 0 and self.max_grad_norm > 0):
            raise ValueError("learner.learning_rate, adam_epsilon and max_grad_norm must be above 0")
        if not 0 <= self.gamma <= 1:
            raise ValueError(f"learner.gamma is {self.gamma}: a discount lies in 0..1")
        if not 0 < self.target_rate <= 1:
            raise ValueError(f"learner.target_rate is {self.target_rate}: use a share above 0, 1 for whole copies")
        if not 0 < self.average_rate <= 1:
            raise ValueError(f"learner.average_rate is {self.average_rate}: use a share above 0, 1 for no average")
        if not 0 <= self.munchausen <= 1 or self.temperature <= 0 or (self.munchausen and self.double):
            raise ValueError("learner.munchausen must be in 0..1, without learner.double; learner.temperature above 0")
        if self.conservative < 0:
            raise ValueError(f"learner.conservative is {self.conservative}: use 0 (none) or a weight above it")
        if self.reward_clip < 0:
            raise ValueError("learner.reward_clip is a bound: 0 (raw rewards) or more")
        check_device("learner", self.device)
