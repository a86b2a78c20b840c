"""RLlib's interface of an algorithm besides training: module, weights, evaluation and results."""

from __future__ import annotations

from typing import Any

import ray
from ray.rllib.core import DEFAULT_MODULE_ID

from agents.evaluation.evaluate import evaluate_policy
from agents.export import export_network
from cluster.fleet.checkpoint import LOAD_TIMEOUT, Checkpoints
from cluster.rllib.results import evaluation_results
from cluster.rllib.rl_module import PolicyModule, as_module

OLD_STACK = "is of RLlib's old stack: ask algo.get_module().forward_inference({'obs': stacks})"


class RLlibApi(Checkpoints):
    """Methods of `cluster.fleet.algorithm.Quarterdeck` for users of RLlib."""

    def __repr__(self) -> str:
        """Return RLlib's text; also works if the config was rejected, so that Ray can report that error."""
        return super().__repr__() if self.config is not None else type(self).__name__

    def get_module(self, module_id: str = DEFAULT_MODULE_ID) -> PolicyModule | None:
        """Return a copy of the current policy as an RLModule; None for another module id.

        `forward_inference({"obs": stacks})` takes tensors [B, K, *frame_shape], oldest frame first, and returns greedy
        "actions" [B] and "qf_preds" [B, A].
        """
        if module_id != DEFAULT_MODULE_ID:
            return None
        about = {"env": self.settings.env.id, "agent_steps": self.stats.agent_steps}
        weights, spec = self.policy_weights(), self.spec
        return as_module(export_network(self.settings.network, spec.frame_shape, spec.num_actions, weights, about))

    def set_weights(self, weights: dict[str, Any]) -> None:
        """Set the weights of all networks and runners, in the format of `get_weights`.

        Raises:
            ValueError: they do not fit the network.
        """
        if set(weights) != {DEFAULT_MODULE_ID}:
            raise ValueError(
                f"weights are of {sorted(weights)}: give those of {DEFAULT_MODULE_ID}, as get_weights does"
            )
        saved = ray.put(weights[DEFAULT_MODULE_ID])
        self._each_learner(lambda learner: learner.take_weights(ray.get(saved)))
        ray.get(self._publish(), timeout=LOAD_TIMEOUT)
        self.env_runner_group.foreach_env_runner(lambda runner: runner.forget_weights(), timeout_seconds=LOAD_TIMEOUT)

    def get_policy(self, *_: Any, **__: Any) -> Any:
        """Unsupported.

        Raises:
            ValueError: always; the message names the alternative.
        """
        raise ValueError(f"get_policy {OLD_STACK}")

    def compute_single_action(self, *_: Any, **__: Any) -> Any:
        """Unsupported, see `get_policy`."""
        raise ValueError(f"compute_single_action {OLD_STACK}")

    def compute_actions(self, *_: Any, **__: Any) -> Any:
        """Unsupported, see `get_policy`."""
        raise ValueError(f"compute_actions {OLD_STACK}")

    def _compile_iteration_results(self, **parts: Any) -> dict[str, Any]:
        """Return RLlib's results with our statistics under RLlib's names."""
        results: dict[str, Any] = self.results.fill(super()._compile_iteration_results(**parts))
        return results

    def evaluate(self, parallel_train_future: Any = None) -> dict[str, Any]:
        """Play the settings' evaluation episodes with the current weights, in separate envs."""
        s = self.settings
        self.call_back("on_evaluate_start", metrics_logger=self.metrics)
        scores = evaluate_policy(self.policy(), s, episodes=s.evaluation.episodes, threads=s.fleet.env_threads)
        found = evaluation_results(scores)
        self.call_back("on_evaluate_end", metrics_logger=self.metrics, evaluation_metrics=found)
        return found

    @classmethod
    def _should_create_evaluation_env_runners(cls, eval_config: Any) -> bool:
        """Return False: `evaluate` builds its own env."""
        return False
