"""Environments, networks, heads and trainings from a folder outside the project: the files of docs/extending.md."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from cluster.cli.main import main
from envs import EnvSettings
from tests.cluster.gan_helpers import TINY_GAN, copy_corners
from tests.cluster.helpers import TINY_OWN, read_json
from tests.cluster.records import refused
from tests.cluster.strangers import FILES
from training.run import About
from training.storage.csv_table import rows_of
from training.tensorboard import hparams_of

ENDLESS = "--minutes=1e9"  # counted from the start of the test process
OWN_PRESET = """
from cluster.workloads import WORKLOADS, register

row = WORKLOADS["{kind}"]
PRESETS = {{"mine": lambda: row.default("{preset}")}}
register(row._replace(name="mine", presets=("mine",), table="my_presets:PRESETS"))
"""


def test_the_page_has_a_file_of_each_kind() -> None:
    assert list(FILES) == ["my_envs.py", "my_networks.py", "my_heads.py", "my_gans.py", "my_search.py"]


def test_an_environment_of_images_and_a_network_of_ones_own(
    strangers: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A serial run with a custom env and network and a categorical head is evaluated, watched, exported and resumed."""
    own = ["--env=my_envs:Dodge-v0", "--network.kind=my_networks:Small", "--network.head=categorical"]
    words = [*own, *TINY_OWN, "--no-life-signal", "--serial", "--steps=300", "--run-dir=run"]
    assert main(["train", "atari", *words]) == 0
    assert read_json(strangers / "run" / "run.json")["settings"]["env"]["id"] == "my_envs:Dodge-v0"
    assert main(["evaluate", "run", "--episodes=4"]) == 0
    assert main(["watch", "run", "--out=game.mp4", "--values"]) == 0
    assert main(["export", "run", "--out=policy", "--format=program"]) == 0
    assert read_json(strangers / "policy" / "policy.json")["frame_shape"] == [32, 32, 3]
    assert {"game.mp4", "policy"} <= {path.name for path in strangers.iterdir()}
    assert main(["train", "atari", "--run-dir=run", "--resume", "--steps=400"]) == 0


def test_images_in_gray_for_a_network_of_ours(strangers: Path) -> None:
    """A custom env of images trains a built-in network with the options in docs/extending.md."""
    seen = ["--env=my_envs:Dodge-v0", "--image-size=84", "--grayscale", "--evaluation.protocol=classic"]
    assert main(["train", "atari", *seen, *TINY_OWN, "--serial", "--steps=200", "--run-dir=run"]) == 0
    assert read_json(strangers / "run" / "summary.json")["eval"]["protocol"]["image_size"] == 84
    assert main(["watch", "run", "--out=game.mp4"]) == 0


def test_a_head_of_ones_own(strangers: Path) -> None:
    words = ["--network.head=my_heads:LogCosh", "--steps=300", "--serial", "--run-dir=run", "--evaluation.episodes=2"]
    assert main(["train", "cartpole", *words, ENDLESS, "--replay.learning-starts=100"]) == 0
    assert read_json(strangers / "run" / "summary.json")["updates"] > 0


@pytest.mark.parametrize(
    ("kind", "preset", "words"),
    [
        ("dqn", "atari", "--env toy/catch"),
        ("pqn", "pqn", "--env toy/catch"),
        ("selfplay", "pong-duel", "--env toy/duel --network.kind mlp --network.stack 1"),
    ],
)
def test_a_preset_of_ones_own_leaves_its_rules_of_atari_games_to_them(
    strangers: Path, capsys: pytest.CaptureFixture[str], kind: str, preset: str, words: str
) -> None:
    (strangers / "my_presets.py").write_text(OWN_PRESET.format(kind=kind, preset=preset))
    assert main(["train", "my_presets:mine", *words.split(), "--dry-run"]) == 0
    assert json.loads(capsys.readouterr().out)["settings"]["env"] == vars(EnvSettings(id=words.split()[1]))


def test_a_preset_of_ones_own_is_trained(strangers: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A custom preset is trained and resumed; TensorBoard compares the settings with that preset's defaults."""
    shown: list[About] = []
    monkeypatch.setattr("training.tensorboard.hparams_of", lambda about: (shown.append(about), hparams_of(about))[1])
    (strangers / "my_presets.py").write_text(OWN_PRESET.format(kind="dqn", preset="catch"))
    words = ["train", "my_presets:mine", "--run-dir=run"]
    assert main([*words, *TINY_OWN, ENDLESS, "--serial", "--steps=100", "--seed=3"]) == 0
    assert main([*words, "--resume", "--steps=200"]) == 0
    assert read_json(strangers / "run" / "summary.json")["updates"] > 0
    assert read_json(strangers / "run" / "run.json")["workload"] == "mine"
    (first, second) = ({name for name, value in a.compared.items() if value != a.defaults[name]} for a in shown)
    assert first == second
    assert {"seed", "replay.capacity"} <= first
    assert "replay.n_step" not in first


def test_a_family_of_gans_of_ones_own(strangers: Path, corners: Path) -> None:
    data = copy_corners(corners, strangers)
    words = [f"--data={data}", *TINY_GAN, "--images=160", "--run-dir=run"]
    assert main(["train", "my_gans:same_noise", *words]) == 0
    assert read_json(strangers / "run" / "run.json")["workload"] == "same_noise"
    assert main(["sample", "run", "--out=grid.png"]) == 0


def test_a_kind_of_training_of_ones_own(strangers: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A custom kind of training is trained, resumed, evaluated and planned as a sweep."""
    assert main(["train", "my_search:cem", "--generations=3", "--run-dir=run"]) == 0
    assert main(["train", "my_search:cem", "--resume", "--generations=5", "--run-dir=run"]) == 0
    assert read_json(strangers / "run" / "summary.json")["generations"] == 5
    assert [row["generations"] for row in rows_of(strangers / "run" / "curve.csv")] == ["1", "2", "3", "4", "5"]
    assert main(["evaluate", "run"]) == 0
    assert main(["sweep", "my_search:cem", "--dry-run"]) == 0
    assert "over 10 games" in capsys.readouterr().out
    assert (strangers / "run" / "evaluation-greedy.json").exists()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("atari --env my_envs:Dodge-v1", "importing my_envs registers no Dodge-v1"),
        ("atari --env nowhere:Dodge-v0", "cannot import nowhere"),
        ("atari --env my_envs:Dodge-v0 --network.kind dqn2015", "too small for network.kind"),
        ("atari --env my_envs:Dodge-v0 --network.kind my_networks:Large", "my_networks has no Large"),
        ("atari --env my_envs:Dodge-v0 --network.kind my_envs:Dodge", "my_envs:Dodge"),
        ("cartpole --network.kind my_networks:Small", "my_networks:Small fails for observations"),
        ("my_gans:cats", "unknown preset 'my_gans:cats'"),
        ("nowhere:cats", "cannot import nowhere"),
    ],
)
def test_mistakes_are_said_before_anything_starts(
    strangers: Path, capsys: pytest.CaptureFixture[str], words: str, said: str
) -> None:
    assert said in refused(capsys, "train", *words.split(), "--run-dir=run")
    assert not (strangers / "run").exists()
