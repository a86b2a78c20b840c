"""The one distributed main loop: collect, insert, learn, publish. Everything else in this file serves it."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import ray
from ray.rllib.core import DEFAULT_MODULE_ID
from ray.tune import register_trainable

from agents.evaluation import evaluate_network, policy_of
from agents.limiter import SamplesPerInsert
from agents.rollout import Actor
from agents.serial import greedy_epsilon
from agents.stats import RunStats
from agents.updates import Learned
from cluster import worlds
from cluster.config import QuarterdeckConfig
from cluster.face import Face
from cluster.results import Results, evaluation_results
from cluster.saving import LearnerLost
from cluster.shards import fetch, start_shards
from cluster.weights import start_board

START_TIMEOUT = 300.0  # seconds until the weight board must have come up
LEARNER_TIMEOUT = 600.0  # seconds after which a silent learner counts as lost
POLL = 0.005  # seconds between two looks for chunks when no update is due
SHARD_QUEUE = 8  # chunks on their way to a shard, beyond which nobody is asked for more
PROBE_SECONDS = 2.0  # between two looks whether lost runners are back: each look waits a little for an answer


class Quarterdeck(Face):
    """Deep Q-learning with parallel rollouts. Runners play, the driver moves references, learners keep replay."""

    @classmethod
    def get_default_config(cls) -> QuarterdeckConfig:
        """The `pong` preset."""
        return QuarterdeckConfig()

    def setup(self, config: Any) -> None:
        """Start runners, learners and the weight board, and publish the first weights."""
        worlds.check(config)
        super().setup(config)
        s = self.settings = self.config.to_settings()
        self.stats = RunStats()
        self.limiter = SamplesPerInsert(ratio=s.replay.samples_per_insert, learning_starts=s.replay.learning_starts)
        self.results = Results(s, self.stats, self.limiter)
        # Collectors may run two chunks each ahead of the learner: one on its way while it plays the next.
        self.batch_size = s.learner.batch_size * max(s.fleet.learners, 1)  # of all learners together
        self.slack = self.limiter.slack(self.batch_size, s.fleet.lanes * s.fleet.chunk_steps)
        self.probed = 0.0
        self.adding: list[Any] = []  # chunks that shards have not yet taken in
        self.board = start_board()
        self.shards = start_shards(s, self.frame_shape, np.dtype(self.spaces[DEFAULT_MODULE_ID][0].dtype))
        if self.shards:
            self._each_learner(lambda learner, shards=self.shards: learner.share(shards))
            self.homes = ray.get([shard.node_id.remote() for shard in self.shards], timeout=START_TIMEOUT)
        else:
            self.homes = self._each_learner(lambda learner: learner.node_id())
        ray.get(self._publish(), timeout=START_TIMEOUT)

    def training_step(self) -> None:
        """One turn of the main loop. Consumes chunks; waits for one if no update is due; unblocked by any runner."""
        answers = self._collect()
        self._insert(answers)
        for answer in answers:
            self.stats.collected(answer["tally"], greedy_epsilon(self.settings))
            self.stats.note("acting/policy_lag_in_updates", self.stats.updates - answer["version"])
            self.stats.note("wire/bytes_per_step", answer["sent"].size / max(answer["tally"].agent_steps, 1))
            self.stats.note("seconds_per_step/wire", answer["sent"].seconds / max(answer["tally"].agent_steps, 1))
        learned = self._learn()
        self.stats.learned(learned)
        if learned.updates:
            self._publish()
        self.results.count(self.metrics, learned)

    def _collect(self) -> list[dict[str, Any]]:
        """Ask the runners for chunks while the learner keeps up; return what is there, frames as references."""
        group = self.env_runner_group
        request = {"board": self.board, "agent_steps": self.stats.agent_steps, "homes": self.homes}
        if group.num_remote_env_runners() == 0:
            return [group.local_env_runner.sample(**request)]
        chunk = self.settings.fleet.envs_per_runner * self.settings.fleet.chunk_steps
        waiting = group.num_in_flight_async_reqs("sample") * chunk
        if self.adding:
            _, self.adding = ray.wait(self.adding, num_returns=len(self.adding), timeout=0)
            self.stats.note("replay/queue_in_chunks", len(self.adding))
        full = len(self.adding) > SHARD_QUEUE * len(self.shards)
        if self.limiter.steps_ahead() + waiting < self.slack and not full:
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
                self.adding.append(self.shards[answer["runner"] % len(self.shards)].add.remote([answer["chunk"]]))
        elif answers:
            refs = [answer["chunk"] for answer in answers]
            self._each_learner(lambda learner: learner.insert(fetch(refs)))

    def _learn(self) -> Learned:
        """Every learner does the updates that are due; the first one's report stands for all."""
        updates = self.limiter.updates_due(self.batch_size)
        if updates == 0:
            return Learned(0)
        learned: Learned = self._each_learner(lambda learner: learner.learn(updates))[0]
        self.limiter.sampled += updates * self.batch_size
        return learned

    def _publish(self) -> Any:
        """Put the newest weights where runners find them; returns a reference to wait for."""
        weights = self._each_learner(lambda learner: learner.core.weights())[0]
        return self.board.publish.remote(self.stats.updates, [ray.put(weights)])

    def policy_weights(self) -> dict[str, Any]:
        """Parameters of the policy to judge."""
        return dict(self._each_learner(lambda learner: learner.core.weights(learner.core.policy))[0])

    def _each_learner(self, call: Any) -> list[Any]:
        """Results of `call(learner)`, run in the learners' processes; a failure there is a failure here.

        Raises:
            LearnerLost: a learner's process is gone or does not answer.
        """
        results = list(self.learner_group.foreach_learner(call, timeout_seconds=LEARNER_TIMEOUT))
        errors = [result.get() for result in results if not result.ok]
        dead = any(isinstance(error, ray.exceptions.RayActorError) for error in errors)
        if dead or len(results) < max(self.settings.fleet.learners, 1):
            raise LearnerLost("a learner died or fell silent") from (errors or [None])[0]
        if errors:
            raise errors[0]
        return [result.get() for result in results]

    def restore_env_runners(self, env_runner_group: Any) -> list[int]:
        """Bring restarted runners back into service: they need no state, the next request carries all they use."""
        if env_runner_group.num_healthy_remote_workers() == env_runner_group.num_remote_env_runners():
            return []
        if time.monotonic() - self.probed < PROBE_SECONDS:
            return []
        self.probed = time.monotonic()
        return list(env_runner_group.probe_unhealthy_env_runners() or [])

    def actor(self) -> Actor:
        """The policy to judge, in this process."""
        worlds.announce(self.config)
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
        self.call_back("on_evaluate_start", metrics_logger=self.metrics)
        scores = evaluate_network(self.actor(), s, episodes=s.evaluation.episodes, threads=s.fleet.env_threads)
        found = evaluation_results(scores)
        self.call_back("on_evaluate_end", metrics_logger=self.metrics, evaluation_metrics=found)
        return found

    def cleanup(self) -> None:
        """Stop every actor of this run."""
        for actor in (*getattr(self, "shards", ()), *([self.board] if hasattr(self, "board") else ())):
            ray.kill(actor)
        super().cleanup()


register_trainable(Quarterdeck.__name__, Quarterdeck)  # tune.Tuner("Quarterdeck", ...)
