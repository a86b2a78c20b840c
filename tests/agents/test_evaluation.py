"""Evaluation: C23, C21, and the rules of the protocols."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from agents.acting.policy import QPolicy
from agents.acting.rollout import TRAINING_SEEDS
from agents.dqn.check import check, rules_for
from agents.dqn.learner import Learner, LearnerSettings
from agents.dqn.presets import atari, cartpole, pong
from agents.dqn.settings import Settings
from agents.evaluation.evaluate import Scores, envs_for, evaluate, evaluate_policy
from agents.evaluation.protocol import evaluation_seed, protocol_env, protocol_rules, selection_env
from agents.networks.q_network import NetworkSettings
from agents.saved_policy import policy_of
from agents.settings import EvaluationSettings
from envs.base import EnvSettings, TimeStep, classic, machado
from tests.coded_env import CodedEnv, reward_of
from tests.specs import spec_of
from training.settings import changed


class Fixed(QPolicy):
    """A policy that prefers action 2."""

    stack = 4

    def __init__(self) -> None:
        pass

    def values(self, obs: NDArray[Any], noise: Any = None) -> NDArray[np.float32]:
        return np.tile(np.array([0.0, 1.0, 2.0], np.float32), (len(obs), 1))


class Last18(QPolicy):
    """A policy that prefers the last of 18 actions."""

    stack = 4

    def __init__(self) -> None:
        pass

    def values(self, obs: NDArray[Any], noise: Any = None) -> NDArray[np.float32]:
        return np.tile(np.arange(18, dtype=np.float32), (len(obs), 1))


class Seeded(CodedEnv):
    """A coded env that records the seed of its last reset; its games have very different lengths."""

    def __init__(self, num_envs: int) -> None:
        super().__init__(num_envs, lengths=(1, 40, 7), life_lost_at=(3,))
        self.seed = -1

    def reset(self, seed: int) -> TimeStep:
        self.seed = seed
        return super().reset(seed)


def judge(env: CodedEnv, episodes: int, epsilon: float = 0.0, **other: Any) -> Scores:
    """Evaluate a policy that prefers action 2."""
    settings = EvaluationSettings(epsilon=epsilon)
    return evaluate(Fixed(), env, settings, episodes=episodes, seed=3, **other)


def test_c23_every_env_plays_its_quota_of_whole_games_however_long_they_are() -> None:
    """C23, C21: exactly N games, the first of every env, raw rewards over all lives, frames as the emulator counts."""
    env = Seeded(3)
    scores = judge(env, 12)
    games = [(lane, game) for lane in range(3) for game in range(4)]
    lengths = [env.length(*game) for game in games]
    wanted = [sum(reward_of(*game, t) for t in range(1, env.length(*game) + 1)) for game in games]
    assert scores.scores.tolist() == wanted
    assert scores.steps.tolist() == lengths
    assert scores.frames.tolist() == [4 * length - 1 for length in lengths]
    assert len(set(lengths)) == 3, "games of one length would show no bias"


def test_c23_epsilon_is_fixed_and_the_same_seed_plays_the_same_games() -> None:
    one, other = Seeded(3), Seeded(3)
    judge(one, 12, epsilon=0.25)
    judge(other, 12, epsilon=0.25)
    actions = np.array(one.actions)
    np.testing.assert_array_equal(actions, other.actions)
    assert (actions == 2).mean() == pytest.approx(0.75 + 0.25 / 3, abs=0.1)
    greedy = Seeded(3)
    judge(greedy, 3)
    assert set(np.array(greedy.actions).ravel().tolist()) == {2}


@pytest.mark.parametrize("seed", [0, 1, 2**31 - 1])
def test_c23_evaluation_never_uses_a_seed_of_training(seed: int) -> None:
    env = Seeded(2)
    evaluate(Fixed(), env, EvaluationSettings(), episodes=2, seed=seed)
    assert TRAINING_SEEDS <= env.seed == evaluation_seed(seed) <= 2**31 - 1 - 1000


def test_progress_is_reported_up_to_the_last_game() -> None:
    done: list[int] = []
    judge(Seeded(3), 12, on_step=done.append)
    assert done == sorted(done)
    assert done[-1] == 12


def test_episodes_must_be_shared_evenly() -> None:
    with pytest.raises(ValueError, match="7 episodes cannot be shared evenly among 3 envs"):
        judge(Seeded(3), 7)
    assert [envs_for(n) for n in (1, 7, 8, 30, 100, 97)] == [1, 7, 8, 30, 50, 1]
    assert envs_for(100, most=8) == 5
    with pytest.raises(ValueError, match="play 1 or more"):
        envs_for(0)


def test_c25_the_record_says_under_which_rules() -> None:
    summary = judge(Seeded(3), 6, epsilon=0.05).summary()
    assert summary["protocol"] == {"name": "classic", "epsilon": 0.05, "suite": "coded"}
    assert summary["episodes"] == 6
    assert summary["min"] <= summary["mean"] <= summary["max"]


def test_c21_every_raw_score_is_kept_and_the_mean_normalised() -> None:
    """C21: a summary has every game's score, and a human-normalised mean only where a human score is known."""
    scores, lengths = np.array([21.0, 8.2, 14.6, -20.7]), np.array([900, 700, 800, 500])
    summary = Scores(scores, lengths, 4 * lengths, {"name": "classic", "game": "pong"}).summary()
    assert summary["scores"] == scores.tolist()
    assert summary["episode_frames"] == (4 * lengths).tolist()
    assert summary["human_normalised"] == pytest.approx((scores.mean() + 20.7) / 35.3)
    unknown = Scores(scores, lengths, 4 * lengths, {"name": "classic", "game": "adventure"}).summary()
    assert unknown["human_normalised"] is None


def test_c23_machado_is_played_with_all_actions_by_who_was_trained_with_them() -> None:
    """C23, C25: sticky 0.25, no life signal, 18 actions, no no-ops or FIRE at the start, 108,000 frames at most."""
    trained = EnvSettings(id="ALE/Pong-v5", life_signal=True, full_actions=True)
    settings = Settings(env=trained, evaluation=EvaluationSettings(protocol="machado"))
    scores = evaluate_policy(Last18(), settings, episodes=2, threads=1)
    wanted = {"sticky": 0.25, "life_signal": False, "action_set": "full", "num_actions": 18, "noop_max": 0}
    assert scores.protocol.items() >= {**wanted, "fire_reset": False, "frame_cap": 108_000}.items()
    assert ((scores.scores >= -21) & (scores.scores <= 21)).all()
    assert ((scores.frames > 2_000) & (scores.frames < 108_000)).all()


@pytest.mark.parametrize(("env_cap", "every_cap", "cap"), [(108_000, 500, 500), (400, 500, 400), (400, 1, 4)])
def test_a_game_beside_training_ends_at_the_earlier_cap(env_cap: int, every_cap: int, cap: int) -> None:
    """Evaluations during training use the smaller cap, of at least one step; the final one keeps the env's cap."""
    env = EnvSettings(id="ALE/Pong-v5", frame_cap=env_cap)
    settings = Settings(env=env, evaluation=EvaluationSettings(protocol="training", every_frame_cap=every_cap))
    assert protocol_env(settings).frame_cap == env_cap
    assert selection_env(settings) == dataclasses.replace(protocol_env(settings), frame_cap=cap)


def test_a_cap_is_for_atari_games() -> None:
    """The cap applies to games of duel/, and not to other envs."""
    for name, cap in (("toy/catch", 108_000), ("duel/pong", 500)):
        env = EnvSettings(id=name)
        assert selection_env(Settings(env=env, evaluation=EvaluationSettings(every_frame_cap=500))).frame_cap == cap


def test_a_protocol_that_an_env_has_not_is_refused_before_training() -> None:
    with pytest.raises(ValueError, match=r"evaluation\.protocol is machado: CartPole-v1 is no Atari game"):
        check(changed(cartpole(), {"evaluation.protocol": "machado"}))


def test_frames_that_replay_cannot_cut_are_refused_before_training() -> None:
    with pytest.raises(ValueError, match="frames of 90x90 cannot be cut"):
        check(changed(pong(), {"env.image_size": 90}))


def test_who_is_no_atari_game_keeps_how_it_is_shown() -> None:
    """An env outside Atari keeps its image settings; the preset's rules are dropped unless one was changed."""
    asked = dataclasses.replace(atari().env, id="package:Images-v0", image_size=84, grayscale=True)
    assert rules_for(asked, atari().env) == EnvSettings(id=asked.id, image_size=84, grayscale=True)
    sticky = dataclasses.replace(asked, sticky=0.1)
    assert rules_for(sticky, atari().env) == sticky
    for protocol in ("classic", "machado", "training"):
        assert protocol_rules(asked, protocol).grayscale


def test_protocols_are_the_named_ones_and_keep_the_policys_actions_and_frames() -> None:
    trained = EnvSettings(id="ALE/Breakout-v5", life_signal=True, sticky=0.1, frame_skip=3, image_size=44)
    assert protocol_rules(trained, "classic") == dataclasses.replace(classic(trained.id), frame_skip=3, image_size=44)
    wanted = dataclasses.replace(machado(trained.id), frame_skip=3, full_actions=False, image_size=44)
    assert protocol_rules(trained, "machado") == wanted
    assert protocol_rules(trained, "training") == dataclasses.replace(trained, life_signal=False)


def test_c23_the_policy_of_a_checkpoint_is_the_frozen_online_network() -> None:
    """C23: the policy equals the online network and takes no gradient; a network for another game is refused."""
    network = NetworkSettings(kind="mlp", stack=2, hidden=8)
    options = LearnerSettings(precision="fp32", device="cpu")
    settings = Settings(env=EnvSettings(id="toy/chain"), network=network, learner=options)
    learner = Learner(options, network, spec_of((5,), 2), seed=4)
    actor = policy_of({"learner": learner.state()}, settings)
    obs = np.random.default_rng(0).normal(size=(6, 1, 2, 5)).astype(np.float32)
    with torch.no_grad():
        np.testing.assert_array_equal(actor.values(obs), learner.online(torch.from_numpy(obs)).numpy())
    assert not any(p.requires_grad for p in actor.network.parameters())
    other = Learner(options, network, spec_of((4,), 2), seed=4)
    with pytest.raises(ValueError, match="does not fit its settings"):
        policy_of({"learner": other.state()}, settings)
