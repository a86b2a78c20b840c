"""The one distributed main loop: collect, insert, learn, publish. Everything else in this file serves it."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import ray
from ray.rllib.algorithms.algorithm import Algorithm
from ray.rllib.core import DEFAULT_MODULE_ID
from ray.rllib.utils.metrics import ENV_RUNNER_RESULTS, LEARNER_RESULTS, NUM_ENV_STEPS_SAMPLED_LIFETIME

from agents import checkpoint
from agents.config import to_dict
from agents.evaluation import evaluate_network, policy_of
from agents.limiter import SamplesPerInsert
from agents.rollout import Actor
from agents.serial import greedy_epsilon
from agents.stats import RunStats
from agents.updates import Learned
from cluster import saving
from cluster.config import QuarterdeckConfig
from cluster.shards import fetch, start_shards
from cluster.weights import start_board

START_TIMEOUT = 300.0  # seconds until the weight board must have come up
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
        s = self.settings = self.config.to_settings()
        self.stats = RunStats()
        self.limiter = SamplesPerInsert(ratio=s.replay.samples_per_insert, learning_starts=s.replay.learning_starts)
        # Collectors may run two chunks each ahead of the learner: one on its way while it plays the next.
        self.slack = self.limiter.slack(s.learner.batch_size, s.fleet.lanes * s.fleet.chunk_steps)
        self.board = start_board()
        self.shards = start_shards(s, self.frame_shape, np.dtype(self.spaces[DEFAULT_MODULE_ID][0].dtype))
        if self.shards:
            self._each_learner(lambda learner, shards=self.shards: learner.share(shards))
        ray.get(self._publish(), timeout=START_TIMEOUT)

    def training_step(self) -> None:
        """One turn of the main loop. Consumes chunks; waits for one if no update is due; unblocked by any runner."""
        answers = self._collect()
        self._insert(answers)
        for answer in answers:
            self.stats.collected(answer["tally"], greedy_epsilon(self.settings))
            self.stats.note("acting/policy_lag_in_updates", self.stats.updates - answer["version"])
        learned = self._learn()
        self.stats.learned(learned)
        if learned.updates:
            self._publish()
        self._log(sum(answer["tally"].agent_steps for answer in answers))

    def _collect(self) -> list[dict[str, Any]]:
        """Ask the runners for chunks while the learner keeps up; return what is there, frames as references."""
        group = self.env_runner_group
        request = {"board": self.board, "agent_steps": self.stats.agent_steps}
        if group.num_remote_env_runners() == 0:
            return [group.local_env_runner.sample(**request)]
        chunk = self.settings.fleet.envs_per_runner * self.settings.fleet.chunk_steps
        waiting = group.num_in_flight_async_reqs("sample") * chunk
        if self.limiter.steps_ahead() + waiting < self.slack:
            group.foreach_env_runner_async("sample", tag="sample", kwargs=request)
        # RLlib waits for all requests or until the time is up, so look first and wait a little only then.
        ready = group.fetch_ready_async_reqs(tags=["sample"], timeout_seconds=0) or (
            group.fetch_ready_async_reqs(tags=["sample"], timeout_seconds=POLL)
        )
        return [answer for _, answer in ready]

    def _insert(self, answers: list[dict[str, Any]]) -> None:
        """Send every chunk's reference to where its lanes live."""
        for answer in answers:
            self.limiter.inserted += answer["tally"].agent_steps
        if self.shards:
            for answer in answers:
                self.shards[answer["runner"] % len(self.shards)].add.remote(answer["chunk"])
        elif answers:
            refs = [answer["chunk"] for answer in answers]
            self._each_learner(lambda learner: learner.insert(fetch(refs)))

    def _learn(self) -> Learned:
        """Every learner does the updates that are due; the first one's report stands for all."""
        batch_size = self.settings.learner.batch_size
        updates = self.limiter.updates_due(batch_size)
        if updates == 0:
            return Learned(0)
        learned: Learned = self._each_learner(lambda learner: learner.learn(updates))[0]
        self.limiter.sampled += updates * batch_size
        return learned

    def _publish(self) -> Any:
        """Put the newest weights where runners find them; returns a reference to wait for."""
        weights = self._each_learner(lambda learner: learner.core.weights())[0]
        return self.board.publish.remote(self.stats.updates, [ray.put(weights)])

    def policy_weights(self) -> dict[str, Any]:
        """Parameters of the policy to judge."""
        return dict(self._each_learner(lambda learner: learner.core.weights(learner.core.policy))[0])

    def _each_learner(self, call: Any) -> list[Any]:
        """Results of `call(learner)`, run in the learner's process; a failure there is a failure here."""
        return [result.get() for result in self.learner_group.foreach_learner(call)]

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
        """The policy to judge, in this process."""
        return policy_of({"learner": {"policy": self.policy_weights()}}, self.settings)

    @property
    def frame_shape(self) -> tuple[int, ...]:
        """Of one frame, (84, 84) for Atari games."""
        return tuple(self.spaces[DEFAULT_MODULE_ID][0].shape)

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
        """Write plain arrays and JSON (`agents.checkpoint`) instead of RLlib's pickles; returns the absolute path."""
        folder = saving.local_folder(path if path is not None else tempfile.mkdtemp(prefix="quarterdeck-"))
        checkpoint.save(folder / saving.FOLDER, self.get_state(), self.save_replay)
        saving.write_rllib_files(folder, self, saving.saved_config(folder))
        return str(folder)

    def restore_from_path(self, path: Any, *_: Any, **__: Any) -> None:
        """Go on from `save_to_path`; nothing in the checkpoint is executed."""
        self.load(saving.local_folder(path) / saving.FOLDER)

    @classmethod
    def from_checkpoint(cls, path: Any, **_: Any) -> Quarterdeck:
        """Build the algorithm that `save_to_path` wrote, with its replay and clocks.

        Nothing in the checkpoint is executed, whereas `Algorithm.from_checkpoint`, which also reads it, unpickles.
        """
        folder = saving.local_folder(path)
        algo: Quarterdeck = cls(saving.saved_config(folder))
        algo.restore_from_path(folder)
        return algo

    def load(self, path: Path) -> None:
        """Go on from one of our checkpoints."""
        self.set_state(checkpoint.load(path))
        if self.shards:
            saving.each_shard("load", self.shards, path)
        else:
            self._each_learner(lambda learner: learner.load_replay(str(path.absolute())))

    def save_replay(self, path: Path) -> None:
        """Let every holder of replay write its own part under `path`."""
        if self.shards:
            saving.each_shard("save", self.shards, path)
        else:
            self._each_learner(lambda learner: learner.save_replay(str(path.absolute())))

    def get_state(self, components: Any = None, *, not_components: Any = None, **kwargs: Any) -> dict[str, Any]:
        """All but replay, as a tree of arrays and values. RLlib asks for parts of it to start runners, which pull."""
        if components is not None:
            return {}
        return {
            "settings": to_dict(self.settings),
            "rllib": saving.kept_fields(self.config),
            "iteration": self.iteration,
            "stats": self.stats.state(),
            "limiter": {"inserted": self.limiter.inserted, "sampled": self.limiter.sampled},
            "learner": self._each_learner(lambda learner: learner.core.state())[0],
        }

    def set_state(self, state: dict[str, Any]) -> None:
        """Take over `get_state`'s tree: networks, optimiser and clocks; runners begin new episodes."""
        saved = ray.put(state["learner"])
        self._each_learner(lambda learner: learner.core.load_state(ray.get(saved)))
        steps_before = self.stats.agent_steps
        self.stats.load_state(state["stats"])
        self.limiter.inserted, self.limiter.sampled = state["limiter"]["inserted"], state["limiter"]["sampled"]
        self._iteration = state["iteration"]
        self._log(self.stats.agent_steps - steps_before)
        ray.get(self._publish(), timeout=START_TIMEOUT)

    def cleanup(self) -> None:
        """Stop every actor of this run."""
        for actor in (*getattr(self, "shards", ()), *([self.board] if hasattr(self, "board") else ())):
            ray.kill(actor)
        super().cleanup()
