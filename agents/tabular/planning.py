"""What a known MDP is worth, exactly: the oracle of everything that only samples it.

Sutton and Barto, 2nd edition, chapter 4; Puterman (1994), chapter 6. Legend: S states, A actions, pi(a | s) a policy.

    Bellman equation of pi   V(s)    = sum_a pi(a | s) [R(s, a) + gamma sum_s' P(s' | s, a) V(s')]
    Bellman optimality       Q*(s,a) = R(s, a) + gamma sum_s' P(s' | s, a) max_a' Q*(s', a')
"""

from __future__ import annotations

import numpy as np

from agents.tabular.mdp import Mdp, Table, Values

PRECISION = 1e-13  # change of the values between two sweeps, relative to the largest
SWEEPS = 1_000_000
TIE = 1e-11  # relative: an action has to be better by more, or policy iteration keeps the one it has


def backup(mdp: Mdp, value: Values, discount: float) -> Table:
    """What each action is worth [S, A] where the next state has the value V [S]."""
    return mdp.reward + discount * mdp.transition @ value


def value_iteration(mdp: Mdp, discount: float, epsilon: float = 0.0) -> Table:
    """Q* [S, A] by sweeps over all states until nothing changes (Bellman 1957).

    With `epsilon`, Q of the best policy among those that explore so often: what SARSA learns at a constant epsilon
    (Sutton and Barto, section 5.4). The error is at most the last change times discount / (1 - discount).

    Raises:
        ValueError: the values never settle; that can only be at discount 1, where some policy gains without end.
    """
    q = np.zeros_like(mdp.reward)
    for _ in range(SWEEPS):
        value = (1 - epsilon) * q.max(axis=1) + epsilon * q.mean(axis=1)
        before, q = q, backup(mdp, value, discount)
        if np.abs(q - before).max() <= PRECISION * max(1.0, float(np.abs(q).max())):
            return q
    raise ValueError(f"values do not settle at discount {discount}: give less than 1")


def policy_iteration(mdp: Mdp, discount: float) -> Table:
    """Q* [S, A] by exact values of a policy and the greedy policy of them, in turn (Howard 1960).

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
    """pi(a | s) [S, A] of the policy that is epsilon-greedy in `q` [S, A]; the first of equal actions wins."""
    actions = q.shape[1]
    return np.asarray((1 - epsilon) * np.eye(actions)[q.argmax(axis=1)] + epsilon / actions, np.float64)


def policy_values(mdp: Mdp, policy: Table, discount: float) -> Values:
    """V [S] of pi(a | s) [S, A]: the Bellman equation as a linear system.

    Raises:
        ValueError: the discount is 1, where policies that never end have no value.
    """
    if not 0.0 <= discount < 1.0:
        raise ValueError(f"discount is {discount}: values of every policy need one from 0 to below 1")
    reward, transition = _under(mdp, policy)
    return np.asarray(np.linalg.solve(np.eye(len(reward)) - discount * transition, reward), np.float64)


def expected_return(mdp: Mdp, policy: Table, discount: float) -> float:
    """Expected discounted return of an episode by pi(a | s) [S, A], exactly and without a time limit.

    At discount 1, where it may be infinite, that of an episode that the game's limit cuts.
    """
    if discount == 1.0:
        return expected_score(mdp, policy)
    return float(mdp.start @ policy_values(mdp, policy, discount))


def expected_score(mdp: Mdp, policy: Table) -> float:
    """Expected sum of the rewards of an episode as it is played: undiscounted, cut at the game's time limit."""
    reward, transition = _under(mdp, policy)
    value = np.zeros(len(reward))
    for _ in range(mdp.time_limit):
        value = reward + transition @ value
    return float(mdp.start @ value)


def _under(mdp: Mdp, policy: Table) -> tuple[Values, Table]:
    """Reward [S] and transitions [S, S] of who acts by pi(a | s)."""
    return (policy * mdp.reward).sum(axis=1), np.einsum("sa,sat->st", policy, mdp.transition)
