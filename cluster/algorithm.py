"""The one distributed main loop: collect, insert, learn, publish. Everything else in this file serves it."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import ray
import torch
from ray.rllib.algorithms.algorithm import Algorithm
from ray.rllib.core import DEFAULT_MODULE_ID
from ray.rllib.utils.metrics import ENV_RUNNER_RESULTS, LEARNER_RESULTS, NUM_ENV_STEPS_SAMPLED_LIFETIME

from agents import checkpoint
from agents.config import Settings, from_dict, to_dict
from agents.evaluation import evaluate_network
from agents.learner import Learned
from agents.limiter import SamplesPerInsert
from agents.networks import QNetwork
from agents.rollout import Actor, Tally
from agents.serial import greedy_epsilon
from agents.stats import RunStats
from cluster.config import QuarterdeckConfig
from cluster.weights import start_board

CHECKPOINT = "quarterdeck"  # the directory of ours inside a checkpoint of RLlib's
POLL = 0.005  # seconds between two looks for chunks when no update is due


class Quarterdeck(Algorithm):
    """Deep Q-learning with parallel rollouts. Runners play, the driver moves references, learners keep replay."""

    @classmethod
    def get_default_config(cls) -> QuarterdeckConfig:
        """The `pong` preset."""
        return QuarterdeckConfig()

    def setup(self, config: Any) -> None:
        """Start runners, learners and the weight board, and publish the first weights."""
        super().setup(config)
        s: Settings = self.config.to_settings()
        self.settings = s
        self.stats = RunStats()
        self.limiter = SamplesPerInsert(ratio=s.replay.samples_per_insert, learning_starts=s.replay.learning_starts)
        # Collectors may run two chunks each ahead of the learner: one on its way while it plays the next.
        self.slack = 2 * s.fleet.lanes * s.fleet.chunk_steps
        self.board = start_board()
        self._publish()

    def training_step(self) -> None:
        """One turn of the main loop. Consumes chunks; waits for one if no update is due; unblocked by any runner."""
        ready = self._collect()
        learned = self._learn([chunk for chunk, _ in ready], sum(tally.agent_steps for _, tally in ready))
        if learned.updates:
            self._publish()
        for _, tally in ready:
            self.stats.collected(tally, greedy_epsilon(self.settings))
        self.stats.learned(learned)
        self._log(sum(tally.agent_steps for _, tally in ready))

    def _collect(self) -> list[tuple[Any, Tally]]:
        """Ask the runners for chunks while the learner keeps up; return those that are there, as references."""
        group = self.env_runner_group
        request = {"board": self.board, "agent_steps": self.stats.agent_steps}
        if group.num_remote_env_runners() == 0:
            answers = [(0, group.local_env_runner.sample(**request))]
        else:
            chunk = self.settings.fleet.envs_per_runner * self.settings.fleet.chunk_steps
            waiting = group.num_in_flight_async_reqs("sample") * chunk
            if self.limiter.steps_ahead() + waiting < self.slack:
                group.foreach_env_runner_async("sample", tag="sample", kwargs=request)
            # RLlib waits for all requests or until the time is up, so look first and wait a little only then.
            answers = group.fetch_ready_async_reqs(tags=["sample"], timeout_seconds=0) or (
                group.fetch_ready_async_reqs(tags=["sample"], timeout_seconds=POLL)
            )
        return [(answer["chunk"], answer["tally"]) for _, answer in answers]

    def _learn(self, chunks: list[Any], agent_steps: int) -> Learned:
        """Every learner inserts the chunks and does the updates that are due; the first one's report stands for all."""
        self.limiter.inserted += agent_steps
        batch_size = self.settings.learner.batch_size
        updates = self.limiter.updates_due(batch_size)
        results = self.learner_group.foreach_learner(lambda learner: learner.learn(ray.get(chunks), updates))
        learned: Learned = next(iter(results)).get()
        self.limiter.sampled += updates * batch_size
        return learned

    def _publish(self) -> None:
        """Put the newest weights where runners find them."""
        weights = next(iter(self.learner_group.foreach_learner(lambda learner: learner.weights()))).get()
        self.weights = weights
        self.board.publish.remote(self.stats.updates, [ray.put(weights)])

    def _log(self, new_steps: int) -> None:
        """RLlib's names for what its users look at; the rest is in `stats`."""
        steps = (ENV_RUNNER_RESULTS, NUM_ENV_STEPS_SAMPLED_LIFETIME)
        self.metrics.log_value(steps, new_steps, reduce="lifetime_sum")
        self.metrics.log_value((LEARNER_RESULTS, "num_updates_lifetime"), self.stats.updates, reduce="item")
        self.metrics.log_value((LEARNER_RESULTS, "samples_per_insert"), self.limiter.measured(), reduce="item")
        if self.stats.recent:
            mean = sum(game.score for game in self.stats.recent) / len(self.stats.recent)
            self.metrics.log_value((ENV_RUNNER_RESULTS, "episode_return_mean"), mean, reduce="item")

    def restore_env_runners(self, env_runner_group: Any) -> list[int]:
        """Bring restarted runners back into service: they need no state, the next request carries all they use."""
        return list(env_runner_group.probe_unhealthy_env_runners() or [])

    def actor(self) -> Actor:
        """The newest policy, in this process."""
        network = QNetwork(self.settings.network, self.frame_shape, self.num_actions).requires_grad_(False)
        network.load_state_dict({name: torch.tensor(value) for name, value in self.weights.items()})
        return Actor(network, autocast=self.settings.learner.precision == "bf16")

    @property
    def frame_shape(self) -> tuple[int, ...]:
        """Of one frame, (84, 84) for Atari games."""
        shape: tuple[int, ...] = self.spaces[DEFAULT_MODULE_ID][0].shape
        return shape

    @property
    def num_actions(self) -> int:
        """A."""
        return int(self.spaces[DEFAULT_MODULE_ID][1].n)

    def evaluate(self, parallel_train_future: Any = None) -> dict[str, Any]:
        """Play the settings' evaluation episodes with frozen weights, apart from runners and replay."""
        s = self.settings
        scores = evaluate_network(self.actor(), s, episodes=s.evaluation.episodes, threads=s.fleet.env_threads)
        summary = scores.summary()
        return {
            "env_runners": {"episode_return_mean": summary["mean"], "num_episodes": summary["episodes"]},
            **summary,
        }

    def save_to_path(self, path: Any = None, **_: Any) -> str:
        """Write a checkpoint of plain arrays and JSON (`agents.checkpoint`) instead of RLlib's pickles."""
        path = Path(path) if path is not None else Path(tempfile.mkdtemp(prefix="quarterdeck-"))
        checkpoint.save(path / CHECKPOINT, self.get_state())
        return str(path)

    def restore_from_path(self, path: Any, *_: Any, **__: Any) -> None:
        """Go on from `save_to_path`; nothing in the checkpoint is executed."""
        self.set_state(checkpoint.load(Path(path) / CHECKPOINT))

    @classmethod
    def from_checkpoint(cls, path: Any, **_: Any) -> Quarterdeck:
        """Build the algorithm that `save_to_path` wrote, with its replay and clocks."""
        state = checkpoint.load(Path(path) / CHECKPOINT)
        algo: Quarterdeck = cls(QuarterdeckConfig().from_settings(from_dict(Settings, state["settings"])))
        algo.set_state(state)
        return algo

    def get_state(self, components: Any = None, *, not_components: Any = None, **kwargs: Any) -> dict[str, Any]:
        """The run as a tree of arrays and values. RLlib asks for parts of it to start runners, which pull theirs."""
        if components is not None:
            return {}
        return {
            "settings": to_dict(self.settings),
            "iteration": self.iteration,
            "stats": self.stats.state(),
            "limiter": {"inserted": self.limiter.inserted, "sampled": self.limiter.sampled},
            **next(iter(self.learner_group.foreach_learner(lambda learner: learner.run_state()))).get(),
        }

    def set_state(self, state: dict[str, Any]) -> None:
        """Take over `get_state`'s tree: learners, replay, clocks; runners begin new episodes."""
        share = ray.put({name: state[name] for name in ("learner", "replay")})
        for result in self.learner_group.foreach_learner(lambda learner: learner.load_run_state(ray.get(share))):
            result.get()
        self.stats.load_state(state["stats"])
        self.limiter.inserted, self.limiter.sampled = (
            state["limiter"]["inserted"],
            state["limiter"]["sampled"],
        )
        self._iteration = state["iteration"]
        self._log(self.stats.agent_steps)
        self._publish()

    def cleanup(self) -> None:
        """Stop every actor of this run."""
        if hasattr(self, "board"):
            ray.kill(self.board)
        super().cleanup()
