"""Exported policies: the same values after loading, from another folder, and in a process without Ray."""

from __future__ import annotations

import io
import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from agents.export import (
    CARD,
    PROGRAM,
    WEIGHTS,
    ExportedPolicy,
    example,
    export_network,
    load_policy,
    program_of,
    save_policy,
)
from agents.networks.q_network import NetworkSettings, QNetwork
from agents.replay.frames import FrameStack, to_blocks

ROOT = Path(__file__).parents[2]
KINDS = {
    "2013": (NetworkSettings(kind="dqn2013", layer_norm=True), (84, 84)),
    "2015 dueling": (NetworkSettings(kind="dqn2015", dueling=True), (84, 84)),
    "impala": (NetworkSettings(kind="impala", stack=1), (36, 36)),
    "vectors": (NetworkSettings(kind="mlp", stack=2, hidden=16), (4,)),
    "by chance": (NetworkSettings(kind="mlp", stack=2, hidden=16, dueling=True, noisy=True, head="implicit"), (4,)),
}
# Runs in a fresh process with copies of two packages, where neither envs nor Ray can be imported.
ELSEWHERE = """
import sys
class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("ray", "cluster", "gan", "envs", "gymnasium", "ale_py"):
            raise ImportError(f"{name} is not here")
sys.meta_path.insert(0, Blocked())
import json, torch
from agents.export import example, load_policy
import agents.export
policy = load_policy("policy")
frames = example(policy, 3)
program = torch.export.load("policy/policy.pt2").module()
print(json.dumps({"from": agents.export.__file__, "q": policy(frames).tolist(), "program": program(frames).tolist(),
                  "ray": "ray" in sys.modules}))
"""


def policy_of(kind: str, seed: int = 1) -> ExportedPolicy:
    """Return a policy with random weights."""
    settings, shape = KINDS[kind]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = QNetwork(settings, shape, 5)
    return export_network(settings, shape, 5, network.state_dict(), {"agent_steps": 12, "seed": 3})


@pytest.mark.parametrize("kind", KINDS)
def test_frames_give_what_stacks_of_blocks_give(kind: str) -> None:
    """The policy on plain frames gives the values of the training path, frame by frame through `FrameStack`."""
    policy, settings = policy_of(kind), KINDS[kind][0]
    frames = example(policy, 3).numpy()
    stack = FrameStack(settings.stack)
    for k in range(settings.stack):
        obs = stack.push(to_blocks(np.ascontiguousarray(frames[:, k])), np.full(3, k == 0))
    expected = policy.network(torch.from_numpy(obs))
    assert torch.equal(policy(torch.from_numpy(frames)), expected)
    assert expected.std() > 0


@pytest.mark.parametrize("kind", KINDS)
def test_a_policy_comes_back_as_it_was(kind: str, tmp_path: Path) -> None:
    policy = policy_of(kind)
    state = torch.random.get_rng_state()
    save_policy(policy, tmp_path / "a" / "b")
    loaded = load_policy(tmp_path / "a" / "b")
    assert sorted(file.name for file in (tmp_path / "a" / "b").iterdir()) == [CARD, WEIGHTS]
    assert loaded.card == policy.card
    assert loaded.card["agent_steps"] == 12
    assert torch.equal(loaded(example(policy, 8)), policy(example(policy, 8)))
    assert not torch.equal(loaded(example(policy, 8)), policy_of(kind, seed=2)(example(policy, 8)))
    assert torch.equal(torch.random.get_rng_state(), state)
    assert not any(parameter.requires_grad for parameter in loaded.parameters())


def test_a_fresh_process_without_ray_finds_the_same_values(tmp_path: Path) -> None:
    """With only `agents` and `training` copied and Ray blocked, the Q-values are equal within 1e-5."""
    policy = policy_of("2013")
    for package in ("agents", "training"):
        shutil.copytree(ROOT / package, tmp_path / package, ignore=shutil.ignore_patterns("__pycache__"))
    save_policy(policy, tmp_path / "policy")
    (tmp_path / "policy" / PROGRAM).write_bytes(program_of(policy))
    # -I: neither the folder nor PYTHONPATH is searched for modules, only the inserted path
    program = f"import sys; sys.path.insert(0, {str(tmp_path)!r})\n{ELSEWHERE}"
    done = subprocess.run(
        [sys.executable, "-I", "-c", program], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    assert Path(found["from"]).is_relative_to(tmp_path)
    assert found["ray"] is False
    expected = policy(example(policy, 3)).tolist()
    np.testing.assert_allclose(found["q"], expected, atol=1e-5, rtol=0)
    np.testing.assert_allclose(found["program"], expected, atol=1e-5, rtol=0)


@pytest.mark.parametrize("kind", ["vectors", "by chance"])
def test_a_program_takes_any_number_of_games(kind: str) -> None:
    policy = policy_of(kind)
    program = torch.export.load(io.BytesIO(program_of(policy))).module()
    for games in (1, 2, 7):
        frames = example(policy, games)
        torch.testing.assert_close(program(frames), policy(frames), atol=1e-5, rtol=0)


@pytest.mark.parametrize("damage", ["no folder", "no weights", "cut weights", "no card", "format", "other network"])
def test_what_is_no_policy_is_refused_in_one_line(damage: str, tmp_path: Path) -> None:
    save_policy(policy_of("vectors"), tmp_path)
    weights, card = tmp_path / WEIGHTS, tmp_path / CARD
    said = json.loads(card.read_text())
    if damage == "no weights":
        weights.unlink()
    elif damage == "cut weights":
        weights.write_bytes(weights.read_bytes()[:-9])
    elif damage == "no card":
        card.write_text("[]")
    elif damage == "format":
        card.write_text(json.dumps({**said, "format": 0}))
    elif damage == "other network":
        card.write_text(json.dumps({**said, "num_actions": 6}))
    with pytest.raises(ValueError, match=r"no readable policy in .*: name a folder") as refused:
        load_policy(tmp_path / "absent" if damage == "no folder" else tmp_path)
    assert "\n" not in str(refused.value)
