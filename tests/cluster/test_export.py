"""The command `quarterdeck export`: C26."""

from __future__ import annotations

import json
import resource
import shutil
from pathlib import Path

import pytest
import torch

from agents.dqn.settings import Settings
from agents.export import PROGRAM, WEIGHTS, ExportedPolicy, example, export_network, load_policy
from agents.networks.q_network import NetworkSettings, QNetwork
from agents.saved_policy import policy_of
from cluster.cli.main import main
from tests.cluster.helpers import read_json, tree
from tests.cluster.records import refused
from training.settings import from_dict


@pytest.fixture(scope="module")
def exported(catch_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Export all three forms of a run's policy; return their folder."""
    out = tmp_path_factory.mktemp("exports") / "catch"
    assert main(["export", str(catch_run), "--out", str(out), "--format", "all"]) == 0
    return out


def values(catch_run: Path) -> tuple[torch.Tensor, torch.Tensor]:
    """Return frames and their values by the checkpoint's policy network, computed without the export code."""
    from agents.replay.frames import to_blocks
    from training.storage import checkpoint

    settings: Settings = from_dict(Settings, read_json(catch_run / "run.json")["settings"])
    state = checkpoint.load(checkpoint.latest(catch_run / "checkpoints"), only="learner")
    network: QNetwork = policy_of(state, settings).network
    frames = torch.randint(256, (5, 4, 84, 84), dtype=torch.uint8, generator=torch.Generator().manual_seed(3))
    blocks = torch.stack([torch.from_numpy(to_blocks(frames[:, k].numpy())) for k in range(4)], dim=2)
    with torch.inference_mode():
        return frames, network(blocks)


def test_the_card_says_what_the_policy_is(exported: Path, catch_run: Path) -> None:
    names = {path.name for path in exported.iterdir()}
    assert names == {"policy.safetensors", "policy.json", "policy.pt2", "rlmodule"}
    card = json.loads((exported / "policy.json").read_text())
    assert card["agent_steps"] == read_json(catch_run / "summary.json")["agent_steps"]
    assert (card["frame_shape"], card["num_actions"], card["network"]["stack"]) == ([84, 84], 3, 4)
    assert card["env"] == "toy/catch"


def test_all_forms_hold_the_checkpoints_values(exported: Path, catch_run: Path) -> None:
    """Torch module, program and RLModule have the values of the run's own network, within 1e-5."""
    from ray.rllib.core.rl_module.rl_module import RLModule

    frames, expected = values(catch_run)
    assert expected.std() > 0
    torch.testing.assert_close(load_policy(exported)(frames), expected, atol=1e-5, rtol=0)
    program = torch.export.load(exported / "policy.pt2").module()
    torch.testing.assert_close(program(frames), expected, atol=1e-5, rtol=0)
    module = RLModule.from_checkpoint(str(exported / "rlmodule"))
    answer = module.forward_inference({"obs": frames})
    torch.testing.assert_close(answer["qf_preds"], expected, atol=1e-5, rtol=0)
    assert torch.equal(answer["actions"], expected.argmax(1))
    assert module.observation_space.contains(frames[0].numpy())
    assert module.action_space.n == 3


def test_an_export_replaces_an_earlier_one_and_nothing_else(
    exported: Path, catch_run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    again, other = tmp_path / "again", tmp_path / "other"
    shutil.copytree(exported, again)
    (again / "notes.txt").write_text("mine")
    for _ in range(2):  # the old program and RLModule, of other weights, are removed
        assert main(["export", str(catch_run), "--out", str(again)]) == 0
        assert {path.name for path in again.iterdir()} == {"policy.safetensors", "policy.json", "notes.txt"}
    frames = example(load_policy(again))
    assert torch.equal(load_policy(again)(frames), load_policy(exported)(frames))
    other.mkdir()
    (other / "thesis.txt").write_text("mine")
    before = tree(other)
    assert "holds something else: name a new folder" in refused(capsys, "export", str(catch_run), "--out", str(other))
    assert tree(other) == before


def test_what_cannot_be_exported_is_said_in_one_line(
    catch_run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "holds no run" in refused(capsys, "export", str(tmp_path), "--out", str(tmp_path / "out"))
    assert "invalid choice" in refused(capsys, "export", str(catch_run), "--out", str(tmp_path), "--format", "onnx")
    table = tmp_path / "taxi"
    assert main(["train", "taxi", "--steps", "200", "--report-every", "100", "--run-dir", str(table)]) == 0
    assert "holds no policy of a network" in refused(capsys, "export", str(table), "--out", str(tmp_path / "out"))
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("full", [WEIGHTS, PROGRAM])
def test_an_export_for_which_there_was_no_room_is_made_again(
    catch_run: Path, exported: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], full: str
) -> None:
    """After an export fails as on a full disk (here by RLIMIT_FSIZE), no partial file is left, and a retry succeeds."""
    words = ["export", str(catch_run), "--out", str(tmp_path / "out"), "--format", "program"]
    before, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, ((exported / full).stat().st_size - 1, hard))
    try:
        assert "cannot write to" in refused(capsys, *words)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (before, hard))
    assert not [path.name for path in (tmp_path / "out").iterdir() if "part" in path.name]
    assert main(words) == 0


class NumpyToo(torch.nn.Module):
    """A network that torch.export cannot trace, since it uses numpy."""

    def __init__(self, shape: tuple[int, ...], stack: int) -> None:
        super().__init__()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return features [B, F]."""
        return torch.from_numpy(x.numpy() ** 2)


def test_a_network_that_cannot_be_traced_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    kind = f"{__name__}:NumpyToo"

    def policy_of_run(_: object) -> ExportedPolicy:
        return export_network(NetworkSettings(kind=kind), (4,), 2, None, {"agent_steps": 0})

    monkeypatch.setattr("cluster.cli.export.policy_of_run", policy_of_run)
    words = ["export", str(tmp_path), "--out", str(tmp_path / "out"), "--format"]
    said = refused(capsys, *words, "program")
    assert f"torch.export cannot trace network.kind {kind} (" in said
    assert "--format torch" in said
    assert not (tmp_path / "out").exists()
    assert main([*words, "torch"]) == 0
