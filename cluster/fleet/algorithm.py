"""The one distributed main loop: collect, insert, learn, publish. Everything else in this file serves it."""

from __future__ import annotations

import os
from typing import Any

import ray
from ray.rllib.core import DEFAULT_MODULE_ID
from ray.tune import register_trainable

from agents.acting.exploration import greedy_epsilon
from agents.replay.limiter import SamplesPerInsert
from agents.saved_policy import policy_of
from agents.stats import RunStats
from agents.updates import UpdateStats
from cluster.errors import LearnerLost
from cluster.fleet.config import QuarterdeckConfig as QuarterdeckConfig
from cluster.fleet.face import Face
from cluster.fleet.inserts import Inserts, refused
from cluster.fleet.replay import fetch, start_shards
from cluster.fleet.runners import Runners, start_runners
from cluster.fleet.silence import watch_over
from cluster.fleet.waiting import waiting_for_nodes
from cluster.fleet.weights import start_weight_store
from cluster.lost import LOST
from cluster.rllib import user_envs
from cluster.rllib.results import Results
from cluster.rllib.spaces import spec_of_spaces
from envs.base import EnvSpec
from training.arrays import arrays_of

LEARNER_TIMEOUT = 600.0  # seconds after which a silent learner counts as lost


class Quarterdeck(Face):
    """Deep Q-learning with parallel rollouts. Runners play, the driver moves references, learners keep replay."""

    @classmethod
    def get_default_config(cls) -> QuarterdeckConfig:
        """The `pong` preset."""
        return QuarterdeckConfig()

    def setup(self, config: Any) -> None:
        """Start runners, learners and the weight store, and publish the first weights."""
        user_envs.check(config)
        with waiting_for_nodes(config.to_settings()):
            try:
                self._start(config)
            except BaseException:
                self.cleanup()  # whoever came up would keep the places of the next one
                raise

    def _start(self, config: Any) -> None:
        self.weight_store = start_weight_store()
        # Their processes come up while RLlib sets the learners up.
        self.runners = Runners(start_runners(config), config.max_requests_in_flight_per_env_runner)
        self.config = config.for_driver()
        super().setup(self.config)
        self.config = config
        self.env_runner_group._worker_manager = self.runners.manager  # for callers of RLlib's own ways
        s = self.settings = config.to_settings()
        self.stats = RunStats()
        self.limiter = SamplesPerInsert(ratio=s.replay.samples_per_insert, learning_starts=s.replay.learning_starts)
        self.results = Results(s, self.stats, self.limiter)
        # Every collector has a chunk or two on their way while the learner trains on the last ones.
        self.batch_size = s.learner.batch_size * max(s.fleet.learners, 1)  # of all learners together
        self.slack = self.limiter.slack(self.batch_size, s.fleet.lanes * s.fleet.chunk_steps)
        self.greedy_epsilon = greedy_epsilon(s.exploration, s.fleet.lanes)
        self.shards = start_shards(s, self.spec)
        self.inserts = Inserts(self.shards)
        if self.shards:
            self._each_learner(lambda learner, shards=self.shards: learner.share(shards))
            self.homes = ray.get([shard.node_id.remote() for shard in self.shards])
        else:
            self.homes = self._each_learner(lambda learner: learner.node_id())
        ray.get(self._publish())
        self.runners.wait_for_one()
        self.watch = watch_over(self.shards, self.weight_store)

    def training_step(self) -> None:
        """One turn of the main loop. Consumes chunks; waits for one if no update is due; unblocked by any runner."""
        answers = self._collect()
        for answer in answers:
            self.stats.add_chunk(answer["chunk_stats"], self.greedy_epsilon)
            self.stats.note("acting/policy_lag_in_updates", self.stats.updates - answer["version"])
            self.stats.note_all(answer["sent"].per_step(answer["chunk_stats"].agent_steps))
        with self.watch.learning():
            self._insert(answers)
            learned = self._learn()
            self.stats.add_updates(learned)
            if learned.updates or self.runners.unarmed:
                self._publish()
        self.results.count(self.metrics, learned)

    def _collect(self) -> list[dict[str, Any]]:
        """Ask the runners for chunks while the learner keeps up; return what is there, frames as references."""
        request = {"weight_store": self.weight_store, "agent_steps": self.stats.agent_steps, "homes": self.homes}
        if self.env_runner_group.num_remote_env_runners() == 0:
            return self.runners.play(self.env_runner_group.local_env_runner, request)
        room = self.inserts.settle()
        if self.shards:
            self.stats.note("replay/queue_in_chunks", len(self.inserts.adding))
        owed = self.runners.expected() * self.settings.fleet.envs_per_runner * self.settings.fleet.chunk_steps
        if self.limiter.steps_ahead() + owed < self.slack and room:
            self.runners.ask(request)
        return self.runners.chunks()

    def _insert(self, answers: list[dict[str, Any]]) -> None:
        """Send every chunk's reference to where its lanes live."""
        for answer in answers:
            self.limiter.inserted += answer["chunk_stats"].agent_steps
            if self.shards:
                self.inserts.send(answer["chunk"], answer["runner"])
        if answers and not self.shards:
            refs = [answer["chunk"] for answer in answers]
            try:
                self._each_learner(lambda learner: learner.insert(fetch(refs)))
            except LearnerLost:
                raise
            except Exception as error:
                raise refused(error) from error

    def _learn(self) -> UpdateStats:
        """Every learner does the updates that are due; the first one's report stands for all."""
        updates = self.limiter.updates_due(self.batch_size)
        if updates == 0:
            return UpdateStats(0)
        learned: UpdateStats = self._each_learner(lambda learner: learner.learn(updates))[0]
        self.limiter.sampled += learned.updates * self.batch_size
        self.limiter.forfeited += (updates - learned.updates) * self.batch_size
        self.inserts.count_turn(updates, learned.updates)
        return learned

    def _publish(self) -> Any:
        """Put the newest weights where runners find them; returns a reference to wait for."""
        (weights,) = filter(None, self._each_learner(lambda learner: learner.published()))
        return self.weight_store.publish.remote(self.stats.updates, [ray.put(weights)])

    def policy_weights(self) -> dict[str, Any]:
        """Parameters of the policy to judge."""
        return dict(self._each_learner(lambda learner: arrays_of(learner.core.policy))[0])

    def set_policy(self, weights: dict[str, Any]) -> None:
        """Let the policy to judge be one of before, as `policy_weights` gave it; it follows the learner from there."""
        self._each_learner(lambda learner: learner.set_policy(weights))

    def _each_learner(self, call: Any) -> list[Any]:
        """Results of `call(learner)`, run in the learners' processes; a failure there is a failure here.

        Raises:
            LearnerLost: a learner's process is gone or does not answer.
        """
        # Those, too, that RLlib has marked for an error of ours: they live, and can save what they have learned.
        group = self.learner_group
        results = list(group.foreach_learner(call, timeout_seconds=LEARNER_TIMEOUT, healthy_only=False))
        errors = [result.get() for result in results if not result.ok]
        dead = any(isinstance(error, LOST) for error in errors)
        if dead or len(results) < max(self.settings.fleet.learners, 1):
            raise LearnerLost("a learner died or fell silent") from (errors or [None])[0]
        if errors:
            raise getattr(errors[0], "cause", None) or errors[0]
        return [result.get() for result in results]

    def restore_env_runners(self, env_runner_group: Any) -> list[int]:
        """Bring restarted runners back into service."""
        return self.runners.probe_lost(self.config.env_runner_health_probe_timeout_s)

    def policy(self) -> Any:
        """The policy to judge, in this process."""
        user_envs.announce(self.config)
        return policy_of({"learner": {"policy": self.policy_weights()}}, self.settings)

    @property
    def spec(self) -> EnvSpec:
        """What the envs show and take."""
        return spec_of_spaces(*self.spaces[DEFAULT_MODULE_ID])

    def cleanup(self) -> None:
        """Stop every actor of this run, the frozen, the busy and those that never found a place too."""
        os.environ.setdefault("TORCH_PROCESS_GROUP_SHUTDOWN_TIMEOUT_S", "5")  # RLlib gives a frozen learner 30
        if hasattr(self, "watch"):
            self.watch.stop()
        if hasattr(self, "runners"):
            self.runners.end()
        for actor in (*getattr(self, "shards", ()), *([self.weight_store] if hasattr(self, "weight_store") else ())):
            ray.kill(actor)
        try:
            super().cleanup()
        except LOST:  # RLlib bears a learner that has died, and not one that Ray's memory monitor has ended
            self.learner_group._backend_executor.shutdown(graceful_termination=False)
            super().cleanup()


QuarterdeckConfig.ALGORITHM = Quarterdeck
register_trainable(Quarterdeck.__name__, Quarterdeck)  # tune.Tuner("Quarterdeck", ...)
