"""Exact planning in a known MDP, the reference for algorithms that learn from samples.

Sutton and Barto, 2nd edition, chapter 4; Puterman (1994), chapter 6. Legend: S states, A actions, pi(a | s) a policy.

    Bellman equation of pi   V(s)    = sum_a pi(a | s) [R(s, a) + gamma sum_s' P(s' | s, a) V(s')]
    Bellman optimality       Q*(s,a) = R(s, a) + gamma sum_s' P(s' | s, a) max_a' Q*(s', a')
"""

from __future__ import annotations

import numpy as np

from agents.tabular.mdp import Mdp, Table, Values

PRECISION = 1e-13  # change of the values between two sweeps, relative to the largest
SWEEPS = 1_000_000
TIE = 1e-11  # relative; policy iteration changes an action only for a larger improvement


def backup(mdp: Mdp, value: Values, discount: float) -> Table:
    """Return the action values [S, A] of one Bellman backup of the state values [S]."""
    return mdp.reward + discount * mdp.transition @ value


def value_iteration(mdp: Mdp, discount: float, epsilon: float = 0.0) -> Table:
    """Compute Q* [S, A] by sweeps over all states until the values converge (Bellman 1957).

    With `epsilon`, compute Q of the best epsilon-soft policy, which SARSA learns at a constant epsilon (Sutton and
    Barto, section 5.4). The error is at most the last change times discount / (1 - discount).

    Raises:
        ValueError: the values do not converge: the discount is 1, and some policy has an infinite return.
    """
    q = np.zeros_like(mdp.reward)
    for _ in range(SWEEPS):
        value = (1 - epsilon) * q.max(axis=1) + epsilon * q.mean(axis=1)
        before, q = q, backup(mdp, value, discount)
        if np.abs(q - before).max() <= PRECISION * max(1.0, float(np.abs(q).max())):
            return q
    raise ValueError(f"values do not settle at discount {discount}: give less than 1")


def policy_iteration(mdp: Mdp, discount: float) -> Table:
    """Compute Q* [S, A] by alternating exact policy evaluation and greedy improvement (Howard 1960).

    Raises:
        ValueError: the discount is 1.
    """
    action, states = np.zeros(len(mdp.start), np.int64), np.arange(len(mdp.start))
    while True:
        q = backup(mdp, policy_values(mdp, np.eye(mdp.reward.shape[1])[action], discount), discount)
        better = q.max(axis=1) > q[states, action] + TIE * max(1.0, float(np.abs(q).max()))
        if not better.any():
            return q
        action = np.where(better, q.argmax(axis=1), action)


def greedy(q: Table, epsilon: float = 0.0) -> Table:
    """Return pi(a | s) [S, A] of the policy that is epsilon-greedy in `q` [S, A]; ties go to the first action."""
    actions = q.shape[1]
    return np.asarray((1 - epsilon) * np.eye(actions)[q.argmax(axis=1)] + epsilon / actions, np.float64)


def policy_values(mdp: Mdp, policy: Table, discount: float) -> Values:
    """Compute V [S] of pi(a | s) [S, A]: the Bellman equation as a linear system.

    Raises:
        ValueError: the discount is not in [0, 1): at 1, policies that never terminate have no value.
    """
    if not 0.0 <= discount < 1.0:
        raise ValueError(f"discount is {discount}: values of every policy need one from 0 to below 1")
    reward, transition = _policy_dynamics(mdp, policy)
    return np.asarray(np.linalg.solve(np.eye(len(reward)) - discount * transition, reward), np.float64)


def expected_return(mdp: Mdp, policy: Table, discount: float) -> float:
    """Compute the exact expected discounted return of an episode by pi(a | s) [S, A], without a time limit.

    At discount 1, where it may be infinite, compute `expected_score` instead.
    """
    if discount == 1.0:
        return expected_score(mdp, policy)
    return float(mdp.start @ policy_values(mdp, policy, discount))


def expected_score(mdp: Mdp, policy: Table) -> float:
    """Compute the expected undiscounted sum of rewards of an episode, truncated at the game's time limit."""
    reward, transition = _policy_dynamics(mdp, policy)
    value = np.zeros(len(reward))
    for _ in range(mdp.time_limit):
        value = reward + transition @ value
    return float(mdp.start @ value)


def _policy_dynamics(mdp: Mdp, policy: Table) -> tuple[Values, Table]:
    """Return expected reward [S] and transitions [S, S] under pi(a | s)."""
    return (policy * mdp.reward).sum(axis=1), np.einsum("sa,sat->st", policy, mdp.transition)
