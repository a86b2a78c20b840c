"""Learner of behaviour cloning: classification of frames by the action taken. Legend: B batch, A actions."""

from __future__ import annotations

from dataclasses import dataclass
from time import perf_counter
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from agents.imitation.labels import Labels
from agents.networks.losses import action_loss
from agents.networks.q_network import NetworkSettings, QNetwork
from agents.updates import UpdateResult, UpdateStats
from envs.base import EnvSpec
from training.arrays import arrays_of, load_arrays, load_moments, moments_of
from training.device import Precision, autocast, check_device, resolve_device, resolve_precision
from training.optimizers import Adam
from training.seeding import torch_seed
from training.settings import check_kinds

HELD_OUT_BATCH = 256  # batch size on held-out labels


@dataclass(frozen=True, kw_only=True)
class CloningLearnerSettings:
    """Optimization settings of the classifier."""

    batch_size: int = 64
    learning_rate: float = 5e-4
    max_grad_norm: float = 10.0
    precision: Precision = "auto"  # auto: bf16 if that is faster
    device: str = "auto"  # auto: cuda if available, else cpu

    def __post_init__(self) -> None:
        check_kinds(self, "learner")
        if self.batch_size < 1:
            raise ValueError(f"learner.batch_size is {self.batch_size}: use 1 or more")
        if not (self.learning_rate > 0 and self.max_grad_norm > 0):
            raise ValueError("learner.learning_rate and max_grad_norm must be above 0")
        check_device("learner", self.device)


class CloningLearner:
    """Trains a Q-network whose values are logits: its greedy action is the most likely action of the recorded player.

    Args:
        labels: training labels, on the device of `settings`.
        held_out: labels that are never trained on; None if nothing is held out.
    """

    def __init__(
        self,
        settings: CloningLearnerSettings,
        network: NetworkSettings,
        spec: EnvSpec,
        labels: Labels,
        held_out: Labels | None,
        *,
        seed: int,
    ) -> None:
        self.settings, self.labels, self.held_out = settings, labels, held_out
        self.batch_size, self.device = settings.batch_size, resolve_device(settings.device, "learner.device")
        self.precision = resolve_precision(settings.precision, self.device)
        with torch_seed(seed):
            self.network = QNetwork(network, spec.frame_shape, spec.num_actions).to(self.device)
        self.optimizer = Adam(self.network.parameters(), settings.learning_rate)
        self.rng = np.random.default_rng([seed, 3])
        self.updates = 0

    def train(self, updates: int) -> UpdateStats:
        """Take `updates` gradient steps on the cross-entropy of minibatches drawn with replacement.

        Raises:
            FloatingPointError: the loss is not finite.
        """
        started, drawing = perf_counter(), 0.0
        for _ in range(updates):
            before = perf_counter()
            obs, action = self.labels.batch(self.rng.integers(len(self.labels), size=self.batch_size))
            drawing += perf_counter() - before
            with autocast(self.device, self.precision):
                logits = self.network(obs)
            loss = action_loss(logits, action).mean()

            self.optimizer.zero_grad(set_to_none=True)
            loss.backward()  # type: ignore[no-untyped-call]
            grad_norm = nn.utils.clip_grad_norm_(self.network.parameters(), self.settings.max_grad_norm)
            self.optimizer.step()
        self.updates += updates
        right = (logits.argmax(1) == action).float().mean()
        metrics = {"loss": loss.detach(), "accuracy": right, "grad_norm": grad_norm}
        learned = UpdateStats(updates, sample_seconds=drawing)
        learned.look(UpdateResult(None, metrics, {}), self.precision)
        learned.update_seconds = perf_counter() - started - drawing
        return learned

    def held_out_metrics(self, most: int | None = None) -> dict[str, float]:
        """Return cross-entropy and accuracy on the held-out labels, or on at most `most` of them, evenly spread.

        The result is empty if nothing is held out.
        """
        if self.held_out is None:
            return {}
        labels = np.linspace(0, len(self.held_out) - 1, min(most or len(self.held_out), len(self.held_out))).astype(
            np.int64
        )
        loss, right = 0.0, 0
        for part in np.split(labels, range(HELD_OUT_BATCH, len(labels), HELD_OUT_BATCH)):
            obs, action = self.held_out.batch(part)
            with torch.inference_mode(), autocast(self.device, self.precision):
                logits: Tensor = self.network(obs)
            loss += float(action_loss(logits, action).sum())
            right += int((logits.argmax(1) == action).sum())
        return {"held_out_loss": loss / len(labels), "held_out_accuracy": right / len(labels)}

    def state(self) -> dict[str, Any]:
        """Return the state that `load_state` needs to continue bit for bit."""
        return {
            "policy": arrays_of(self.network),
            "moments": moments_of(self.optimizer),
            "rng": self.rng.bit_generator.state,
            "updates": self.updates,
        }

    def load_state(self, state: dict[str, Any]) -> None:
        """Restore the learner from `state`.

        Raises:
            ValueError: the saved network is of another kind or for another game.
        """
        load_arrays(self.network, state["policy"])
        load_moments(self.optimizer, state["moments"])
        self.rng.bit_generator.state = state["rng"]
        self.updates = int(state["updates"])
