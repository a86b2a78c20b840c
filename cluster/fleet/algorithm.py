"""The distributed main loop: collect, insert, learn, publish."""

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
from cluster.fleet.inserts import Inserts, refused
from cluster.fleet.replay import fetch, start_shards
from cluster.fleet.rllib_api import RLlibApi
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

LEARNER_TIMEOUT = 600.0  # seconds without an answer after which a learner is considered lost


class Quarterdeck(RLlibApi):
    """Deep Q-learning on a fleet: runners play, the driver passes references, learners (or shards) hold replay."""

    @classmethod
    def get_default_config(cls) -> QuarterdeckConfig:
        """Return the config of the `pong` preset."""
        return QuarterdeckConfig()

    def setup(self, config: Any) -> None:
        """Start runners, learners and the weight store, and publish the first weights."""
        user_envs.check(config)
        with waiting_for_nodes(config.to_settings()):
            try:
                self._start(config)
            except BaseException:
                self.cleanup()  # actors that have started would keep their resources
                raise

    def _start(self, config: Any) -> None:
        self.weight_store = start_weight_store()
        # Runner processes start while RLlib sets up the learners.
        self.runners = Runners(start_runners(config), config.max_requests_in_flight_per_env_runner)
        self.config = config.for_driver()
        super().setup(self.config)
        self.config = config
        self.env_runner_group._worker_manager = self.runners.manager  # for RLlib's own methods
        s = self.settings = config.to_settings()
        self.stats = RunStats()
        self.limiter = SamplesPerInsert(ratio=s.replay.samples_per_insert, learning_starts=s.replay.learning_starts)
        self.results = Results(s, self.stats, self.limiter)
        self.batch_size = s.learner.batch_size * max(s.fleet.learners, 1)  # over all learners
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
        """Do one turn of the main loop; if no update is due, wait briefly for a chunk of any runner."""
        answers = self._collect()
        for answer in answers:
            self.stats.add_chunk(answer["chunk_stats"], self.greedy_epsilon)
            self.stats.note("acting/policy_lag_in_updates", self.stats.updates - answer["version"])
            self.stats.note_all(answer["sent"].per_step(answer["chunk_stats"].agent_steps))
        with self.watch.learning():
            self._insert(answers)
            learned = self._learn()
            self.stats.add_updates(learned)
            if learned.updates or self.runners.lacks_weights:
                self._publish()
        self.results.count(self.metrics, learned)

    def _collect(self) -> list[dict[str, Any]]:
        """Request chunks if the learner keeps up; return those that have arrived, frames as references."""
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
        """Send each chunk's reference to the shard or learner of its lanes."""
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
        """Do the updates that are due in every learner; return the first learner's report."""
        updates = self.limiter.updates_due(self.batch_size)
        if updates == 0:
            return UpdateStats(0)
        learned: UpdateStats = self._each_learner(lambda learner: learner.learn(updates))[0]
        self.limiter.sampled += learned.updates * self.batch_size
        self.limiter.forfeited += (updates - learned.updates) * self.batch_size
        self.inserts.count_turn(updates, learned.updates)
        return learned

    def _publish(self) -> Any:
        """Publish the newest weights to the runners; return a reference to wait for."""
        (weights,) = filter(None, self._each_learner(lambda learner: learner.published()))
        return self.weight_store.publish.remote(self.stats.updates, [ray.put(weights)])

    def policy_weights(self) -> dict[str, Any]:
        """Return the parameters of the policy to evaluate."""
        return dict(self._each_learner(lambda learner: arrays_of(learner.core.policy))[0])

    def set_policy(self, weights: dict[str, Any]) -> None:
        """Reset the policy to earlier `policy_weights`; its average continues from there."""
        self._each_learner(lambda learner: learner.set_policy(weights))

    def _each_learner(self, call: Any) -> list[Any]:
        """Run `call(learner)` in the learners' processes and return the results; exceptions are raised here.

        Raises:
            LearnerLost: a learner's process has died or does not answer.
        """
        # Include learners that RLlib marked unhealthy for an exception of ours: they can still save their state.
        group = self.learner_group
        results = list(group.foreach_learner(call, timeout_seconds=LEARNER_TIMEOUT, healthy_only=False))
        errors = [result.get() for result in results if not result.ok]
        dead = any(isinstance(error, LOST) for error in errors)
        if dead or len(results) < max(self.settings.fleet.learners, 1):
            raise LearnerLost("a learner died or stopped responding") from (errors or [None])[0]
        if errors:
            raise getattr(errors[0], "cause", None) or errors[0]
        return [result.get() for result in results]

    def restore_env_runners(self, env_runner_group: Any) -> list[int]:
        """Return restarted runners to service."""
        return self.runners.probe_lost(self.config.env_runner_health_probe_timeout_s)

    def policy(self) -> Any:
        """Return the policy to evaluate, in this process."""
        user_envs.announce(self.config)
        return policy_of({"learner": {"policy": self.policy_weights()}}, self.settings)

    @property
    def spec(self) -> EnvSpec:
        """Observations and actions of the envs."""
        return spec_of_spaces(*self.spaces[DEFAULT_MODULE_ID])

    def cleanup(self) -> None:
        """Stop all actors of this run, including frozen, busy and unscheduled ones."""
        os.environ.setdefault("TORCH_PROCESS_GROUP_SHUTDOWN_TIMEOUT_S", "5")  # RLlib waits 30 s for a frozen learner
        if hasattr(self, "watch"):
            self.watch.stop()
        if hasattr(self, "runners"):
            self.runners.end()
        for actor in (*getattr(self, "shards", ()), *([self.weight_store] if hasattr(self, "weight_store") else ())):
            ray.kill(actor)
        try:
            super().cleanup()
        except LOST:  # RLlib handles a dead learner, but not one killed by Ray's memory monitor
            self.learner_group._backend_executor.shutdown(graceful_termination=False)
            super().cleanup()


QuarterdeckConfig.ALGORITHM = Quarterdeck
register_trainable(Quarterdeck.__name__, Quarterdeck)  # tune.Tuner("Quarterdeck", ...)
