"""Records what rlax computes, an oracle for losses and windows: inputs and outputs in rlax.npz.

Recorded once, so that nobody has to install rlax and what it brings along (jax, chex, distrax, a nightly build of
TensorFlow Probability) to run the tests. The versions that it ran with stand in the file, under `versions`:

    rlax 0.1.9, jax 0.10.2, jaxlib 0.10.2, chex 0.1.92, numpy 2.4.6 on a CPU

Anew, in an environment of its own:

    python3.11 -m venv /tmp/rlax && /tmp/rlax/bin/pip install rlax==0.1.9 jax==0.10.2 chex==0.1.92 numpy==2.4.6
    /tmp/rlax/bin/python tests/agents/oracle/record_rlax.py

Legend: N transitions, A actions, E errors, L lanes of T steps.
"""

from __future__ import annotations

import json
from importlib.metadata import version
from pathlib import Path
from typing import Any

import jax
import numpy as np
import rlax
from numpy.typing import NDArray

N, A, E, L, T = 1_200, 4, 2_000, 240, 8
GAMMA = 0.97
N_STEPS = (1, 3, 5)
FILE = Path(__file__).with_name("rlax.npz")
Array = NDArray[Any]


def drawn(rng: np.random.Generator, shape: tuple[int, ...], bound: float) -> Array:
    """float32 numbers in [-bound, bound]: a third even, a third small whole ones (so ties, too), a third edges."""
    edges = [0.0, 1.0, -1.0, bound, -bound, 1e-30, -1e-30, 0.5, bound / 3]
    kinds = np.stack([rng.uniform(-bound, bound, shape), rng.integers(-2, 3, shape), rng.choice(edges, shape)])
    return np.take_along_axis(kinds, rng.integers(3, size=(1, *shape)), 0)[0].astype(np.float32)


def transitions(rng: np.random.Generator) -> dict[str, Array]:
    """TD errors of Q-learning and of double Q-learning; some batches have all values of a state equal."""
    q_t, q_next, q_select = (drawn(rng, (N, A), 30.0) for _ in range(3))
    q_next[::50] = q_next[::50, :1]
    q_select[::40] = q_select[::40, :1]
    action, reward = rng.integers(A, size=N), drawn(rng, (N,), 5.0)
    discount = rng.choice([0.0, GAMMA, GAMMA**3, 1.0], N).astype(np.float32)
    single = jax.vmap(rlax.q_learning)(q_t, action, reward, discount, q_next)
    double = jax.vmap(rlax.double_q_learning)(q_t, action, reward, discount, q_next, q_select)
    inputs = {"q_t": q_t, "q_next": q_next, "q_select": q_select, "action": action, "reward": reward}
    return {**inputs, "discount": discount, "td_single": np.asarray(single), "td_double": np.asarray(double)}


def losses(rng: np.random.Generator) -> dict[str, Array]:
    """Huber's loss of threshold 1 and half the squared error, with errors on both sides of every edge."""
    one = np.float32(1)
    edges = [0, 1, -1, np.nextafter(one, 2 * one), np.nextafter(one, 0 * one), -np.nextafter(one, 2 * one), 1e4, -1e4]
    error = np.concatenate([edges, drawn(rng, (E // 2,), 1e4), rng.uniform(-2, 2, E - E // 2 - len(edges))])
    error = error.astype(np.float32)
    return {"error": error, "huber": np.asarray(rlax.huber_loss(error)), "squared": np.asarray(rlax.l2_loss(error))}


def lanes(rng: np.random.Generator) -> dict[str, Array]:
    """n-step returns of lanes whose steps terminate nowhere, everywhere, at one place each, or anywhere."""
    reward, value = drawn(rng, (L, T), 5.0), drawn(rng, (L, T), 30.0)
    terminal = rng.random((L, T)) < rng.choice([0.1, 0.3, 0.6], (L, 1))
    terminal[0], terminal[1], terminal[2 : 2 + T] = False, True, np.eye(T, dtype=bool)
    found: dict[str, Array] = {"lane_reward": reward, "lane_value": value, "lane_terminal": terminal}
    for n in N_STEPS:
        each = zip(reward, np.float32(GAMMA) * ~terminal, value, strict=True)
        found[f"returns_{n}"] = np.stack([np.asarray(rlax.n_step_bootstrapped_returns(*lane, n)) for lane in each])
    return found


def main() -> None:
    """Writes the file anew."""
    rng = np.random.default_rng(20_130_101)
    versions = {name: version(name) for name in ("rlax", "jax", "jaxlib", "chex", "numpy")}
    arrays = {**transitions(rng), **losses(rng), **lanes(rng)}
    np.savez_compressed(FILE, versions=np.array(json.dumps(versions)), **arrays)


if __name__ == "__main__":
    main()
