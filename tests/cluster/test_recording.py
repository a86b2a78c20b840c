"""The `record` command with policies, replay and a keyboard, and the use of its data sets."""

from __future__ import annotations

import contextlib
import os
import pty
import select
import termios
from pathlib import Path

import numpy as np
import pytest

from agents.export import load_policy
from agents.imitation.dataset import open_dataset
from agents.playback.terminal import ENTER, LEAVE
from agents.replay.frames import FrameStack, to_blocks
from agents.saved_policy import policy_of, read_policy
from cluster.cli.main import main
from cluster.workloads import settings_of_run
from tests.cluster.helpers import PATIENCE, in_terminal, read_json
from tests.cluster.records import refused
from tests.cluster.sources import TINY_CLONING
from training.storage.run_dir import RunDir


@pytest.fixture(scope="module")
def folder(catch_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a data set of twelve games of a run's policy."""
    out = tmp_path_factory.mktemp("data") / "catch-v1"
    assert main(["record", str(catch_run), "--out", str(out), "--games", "12"]) == 0
    return out


def test_labels_are_what_the_policy_does(folder: Path, catch_run: Path) -> None:
    """Recorded actions are the policy's greedy actions; the metadata names data set, policy and env."""
    dataset, directory = open_dataset(folder), RunDir(catch_run)
    settings = settings_of_run(directory.record())
    policy = policy_of(read_policy(directory, directory.record())[1], settings)
    assert dataset.steps.tolist() == [11] * 12
    for episode in dataset.episodes(range(12)):
        stack, first = FrameStack(settings.network.stack), np.zeros(1, np.bool_)
        for t, action in enumerate(episode.action):
            q = policy.values(stack.push(to_blocks(episode.frame[t : t + 1]), first))[0]
            assert q[action] == pytest.approx(q.max(), abs=1e-2), "ties are broken by rounding"
    metadata = read_json(folder / "data" / "metadata.json")
    assert metadata["dataset_id"] == "catch-v1"
    assert metadata["algorithm_name"] == "atari at epsilon 0"
    assert metadata["quarterdeck"]["protocol"]["env"] == "toy/catch"


def test_other_games_and_chance(
    folder: Path, catch_run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Another seed plays other games, epsilon 1 takes all actions often, and --labels ends the recording."""
    arguments = ["record", str(catch_run), "--labels", "300", "--epsilon", "1", "--seed", "4"]
    assert main([*arguments, "--out", str(tmp_path / "set")]) == 0
    told = capsys.readouterr().out
    assert told.startswith("300 labels in 28 episodes, 27 whole games with a mean score of ")
    dataset = open_dataset(tmp_path / "set")
    action = np.concatenate([episode.action for episode in dataset.episodes(range(28))])
    assert np.bincount(action, minlength=3).min() > 70
    (one,), (other,) = dataset.episodes([0]), open_dataset(folder).episodes([0])
    assert not np.array_equal(one.frame[0], other.frame[0])


def test_replay_is_recorded(catch_run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`record --replay` writes the whole replay, or its first --labels with the last episode truncated."""
    assert main(["record", str(catch_run), "--replay", "--out", str(tmp_path / "all")]) == 0
    assert "whole games with a mean score of" in capsys.readouterr().out
    whole = open_dataset(tmp_path / "all")
    summary = read_json(catch_run / "summary.json")
    assert 0.8 * summary["agent_steps"] < whole.labels <= summary["agent_steps"]
    assert main(["record", str(catch_run), "--replay", "--labels", "25", "--out", str(tmp_path / "some")]) == 0
    some = open_dataset(tmp_path / "some")
    assert some.steps.tolist() == [11, 11, 3]
    (first,) = some.episodes([2])
    (same,) = whole.episodes([2])
    assert np.array_equal(first.frame, same.frame[:4])
    assert first.truncated.tolist() == [False, False, True]


def test_a_clone_is_watched_exported_and_reported(folder: Path, tmp_path: Path) -> None:
    """A clone is watched, exported, reported and recorded like any run of a Q-network."""
    run = tmp_path / "clone"
    words = [f"--{name.replace('_', '-')}={value}" for name, value in TINY_CLONING.items()]
    assert main(["train", "cloning", f"--dataset={folder}", *words, f"--run-dir={run}"]) == 0
    assert read_json(run / "run.json")["settings"]["env"]["id"] == "toy/catch"
    summary = read_json(run / "summary.json")
    assert summary.keys() >= {"held_out_loss", "held_out_accuracy", "labels", "samples"}
    assert summary["labels"] == 11 * 11
    assert main(["watch", str(run), "--out", str(tmp_path / "game.mp4")]) == 0
    assert main(["export", str(run), "--out", str(tmp_path / "policy")]) == 0
    assert load_policy(tmp_path / "policy").card["env"] == "toy/catch"
    assert main(["report", str(run), "--out", str(tmp_path / "report")]) == 0
    assert "cloning" in (tmp_path / "report" / "scores.csv").read_text()
    assert main(["record", str(run), "--games", "1", "--out", str(tmp_path / "again")]) == 0


@pytest.mark.parametrize(
    ("words", "remedy"),
    [
        ("record RUN --out OUT", "give --games N or --labels N"),
        ("record --out OUT --games 3", "name a RUN_DIR, or give --env ID --keyboard"),
        ("record RUN --out OUT --games 3 --env pong", "name a RUN_DIR, or give --env ID --keyboard"),
        ("record RUN --out OUT --games 3 --keyboard --env pong", "name a RUN_DIR, or give --env ID --keyboard"),
        ("record --out OUT --keyboard", "name a RUN_DIR, or give --env ID --keyboard"),
        ("record --out OUT --keyboard --env pong", "this is none: start it in one"),
        ("record --out OUT --keyboard --env pong --epsilon 0.1", "--keyboard records without --epsilon: leave that"),
        ("record --out OUT --keyboard --env pong --replay", "--keyboard records without --replay: leave that out"),
        ("record RUN --out OUT --replay --epsilon 0.1", "--replay records without --epsilon: leave that out"),
        ("record RUN --out OUT --replay --seed 2", "--replay records without --seed: leave that out"),
        ("record RUN --out OUT --games -3", "must be 0 or more"),
        ("record RUN --out OUT --games 3 --epsilon 2", "a probability in 0..1"),
        ("record RUN --out RUN --games 3", "name another --out"),
        ("record OUT --out OUT --games 3", "holds no run"),
        ("train cloning --run-dir OUT", "give --dataset FOLDER"),
        ("train offline --dataset RUN --run-dir OUT", "no readable data set"),
    ],
)
def test_what_cannot_be_done_is_one_line(
    words: str, remedy: str, catch_run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    places = {"RUN": str(catch_run), "OUT": str(tmp_path / "out")}
    assert remedy in refused(capsys, *(places.get(word, word) for word in words.split()))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("env", "seconds"), [("toy/catch", 4 / 60), ("CartPole-v1", 1 / 50)])
def test_a_person_plays_at_the_games_own_speed(
    env: str, seconds: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A keyboard game runs at its env's own speed, for Gymnasium's envs at their declared steps per second."""
    paces = list[float]()

    def seen(env: object, terminal: object, line: object, pace: float, interrupted: object) -> None:
        paces.append(pace)
        raise KeyboardInterrupt

    monkeypatch.setattr("cluster.cli.record.Terminal", contextlib.nullcontext)
    monkeypatch.setattr("cluster.cli.record.Keyboard", seen)
    assert main(["record", f"--env={env}", "--keyboard", f"--out={tmp_path / 'mine'}"]) == 130
    assert paces == [pytest.approx(seconds)]


def test_a_person_plays_in_a_terminal(tmp_path: Path) -> None:
    """Two games of toy/catch are recorded, q ends before the third, and the terminal's settings are restored."""
    ours, theirs = pty.openpty()
    before = termios.tcgetattr(theirs)
    process = in_terminal(theirs, "record", "--env=toy/catch", "--keyboard", f"--out={tmp_path / 'mine'}")
    with process:
        try:
            said, keys = b"", [b"a", b"d", b"q"]
            while b"are in" not in said:
                ready, _, _ = select.select([ours], [], [], 1.0)
                assert ready or process.poll() is None, said[-300:]
                said += os.read(ours, 1 << 16) if ready else b""
                if keys and said.count(b"any key begins") == 4 - len(keys):
                    os.write(ours, keys.pop(0))
            assert process.wait(PATIENCE) == 0
        finally:
            process.kill()  # a process that waits for a key must not block the other tests
            complaints = process.stderr.read() if process.stderr is not None else b""
    assert complaints == b""
    assert termios.tcgetattr(theirs) == before
    os.close(ours)
    os.close(theirs)
    text = said.decode(errors="ignore")
    assert text.index(ENTER) < text.index(LEAVE) < text.index("22 labels in 2 episodes, 2 whole games")
    one, other = open_dataset(tmp_path / "mine").episodes([0, 1])
    assert (one.action[0], other.action[0]) == (0, 2)
    assert 1 in one.action, "a key acts for a while only"
