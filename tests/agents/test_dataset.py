"""Data sets of play: their contents, exchange with Minari, and errors of one line."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import minari
import numpy as np
import pytest
from gymnasium.spaces import Box, Discrete, MultiDiscrete, Space
from minari.data_collector import EpisodeBuffer
from minari.dataset.minari_storage import MinariStorage
from numpy.typing import NDArray

from agents.acting.episodes import play
from agents.acting.policy import Explore, PolicyOutput
from agents.imitation.dataset import open_dataset
from agents.imitation.record import ENDLESS, Recorder
from agents.imitation.writer import new_dataset
from agents.replay.frames import from_blocks
from envs import EnvSettings
from tests.coded_env import CodedEnv, decode, reward_of
from tests.specs import spec_of

ABOUT = {"player": "a test"}
LENGTHS, MAX_FAILURES = (5, 3, 8), (2,)


class CodedPlayer:
    """A player whose actions are computed from the frame."""

    def start(self, num_envs: int) -> None:
        """Return no carry."""

    def act(self, frame: NDArray[Any], first: NDArray[np.bool_], carry: None, explore: Explore | None) -> PolicyOutput:
        action = np.array([sum(decode(one)) % 3 for one in from_blocks(frame, (84, 84))])
        return PolicyOutput(action, None, frame, np.zeros((len(frame), 3), np.float32))


def recorded(folder: Path, envs: int = 3, *, games: int = ENDLESS, labels: int = ENDLESS) -> Recorder:
    """Record play of a coded env: some episodes are truncated, and each loses a life at frame 2."""
    env = CodedEnv(envs, lengths=LENGTHS, life_lost_at=MAX_FAILURES)
    with new_dataset(folder, EnvSettings(), env.spec, ABOUT) as writer:
        recorder = Recorder(writer, envs, games=games, labels=labels)
        recorder.record(play(env, CodedPlayer(), None, 0))
    return recorder


def check_episode(frames: NDArray[Any], columns: list[NDArray[Any]], *, whole: bool = True) -> tuple[int, int]:
    """Check all of an episode against the codes on its frames -> its env and number."""
    (env, number, _), codes = decode(frames[0]), [decode(frame) for frame in frames]
    action, reward, terminated, truncated, lost = columns
    assert codes == [(env, number, t) for t in range(len(frames))]
    assert action.tolist() == [sum(code) % 3 for code in codes[:-1]]
    assert reward.tolist() == [reward_of(*code) for code in codes[1:]]
    assert not terminated[:-1].any()
    assert not truncated[:-1].any()
    over = len(frames) - 1 == LENGTHS[(env + number) % 3]
    assert over or not whole
    assert bool(terminated[-1]) == (over and (env + number) % 2 == 0)
    assert truncated[-1] != terminated[-1]
    assert lost.tolist() == [t in MAX_FAILURES and not (over and t == len(frames) - 1) for t in range(1, len(frames))]
    return env, number


@pytest.mark.parametrize("piece", [512, 3, 1])
def test_minari_reads_what_was_played(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, piece: int) -> None:
    """Minari loads the data set by its name, and open_dataset by its folder, for any size of pieces on disk."""
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path))
    monkeypatch.setattr("agents.imitation.writer.PIECE", piece)
    recorder = recorded(tmp_path / "coded-v3", games=6)
    found = minari.load_dataset("coded-v3")
    assert (found.total_episodes, found.total_steps) == (6, 32)
    assert found.observation_space == Box(0, 255, (84, 84), np.uint8)
    assert found.action_space == Discrete(3)
    seen = set()
    for episode in found.iterate_episodes():
        columns = [episode.actions, episode.rewards, episode.terminations, episode.truncations]
        assert len(episode.infos["life_lost"]) == len(episode.observations)
        assert not episode.infos["life_lost"][0]
        seen.add(check_episode(episode.observations, [*columns, episode.infos["life_lost"][1:]]))
    assert seen == {(env, number) for env in range(3) for number in range(2)}
    dataset = open_dataset(tmp_path / "coded-v3")
    assert (dataset.spec, dataset.env, dataset.labels) == (spec_of(), EnvSettings(), 32)
    ours = [check_episode(episode.frame, [*episode[1:]]) for episode in dataset.episodes(range(6))]
    assert set(ours) == seen
    assert sorted(recorder.scores) == sorted(
        sum(reward_of(env, number, t + 1) for t in range(LENGTHS[(env + number) % 3])) for env, number in seen
    )
    assert sorted(dataset.steps) == sorted(LENGTHS[(env + number) % 3] for env, number in seen)


@pytest.mark.parametrize("labels", [1, 2, 3, 10, 50, 51])
def test_there_are_as_many_labels_as_were_asked_for(tmp_path: Path, labels: int) -> None:
    """Games under way at the last label are cut and truncated."""
    recorded(tmp_path / "set", labels=labels)
    dataset = open_dataset(tmp_path / "set")
    assert dataset.labels == labels
    assert min(dataset.steps) >= 1
    for episode in dataset.episodes(range(len(dataset.steps))):
        check_episode(episode.frame, [*episode[1:]], whole=False)


def test_every_env_plays_the_same_number_of_games(tmp_path: Path) -> None:
    recorded(tmp_path / "set", envs=2, games=10)
    dataset = open_dataset(tmp_path / "set")
    players = [decode(episode.frame[0]).env for episode in dataset.episodes(range(10))]
    assert (players.count(0), players.count(1)) == (5, 5)
    with pytest.raises(ValueError, match="cannot be shared evenly"):
        recorded(tmp_path / "other", envs=2, games=3)
    assert not (tmp_path / "other").exists()


def by_minari(folder: Path, space: Space[Any], actions: Space[Any], obs: NDArray[Any], **options: Any) -> Path:
    """Write a data set of one episode with Minari and return its folder."""
    (folder / "data").mkdir(parents=True)
    storage = MinariStorage.new(folder / "data", space, actions, **options)
    steps = len(obs) - 1
    over = np.arange(steps) == steps - 1
    columns = {"rewards": np.ones(steps), "terminations": over, "truncations": ~over & over}
    storage.update_episodes([EpisodeBuffer(observations=obs, actions=np.arange(steps) % 2, **columns)])
    return folder


def test_what_minari_writes_is_read(tmp_path: Path) -> None:
    """Vectors are read as float32 and raw pixels unchanged, without an env; JPEG is refused."""
    vectors, pixels = np.random.default_rng(0).normal(size=(6, 4)), np.zeros((4, 84, 84), np.uint8)
    pixels[1] = 7
    spaces = Box(-np.inf, np.inf, (4,), np.float64), Box(0, 255, (84, 84), np.uint8)
    dataset = open_dataset(by_minari(tmp_path / "vectors", spaces[0], Discrete(2), vectors))
    assert (dataset.spec, dataset.env, dataset.labels) == (spec_of((4,), 2), None, 5)
    (episode,) = dataset.episodes([0])
    assert np.array_equal(episode.frame, vectors.astype(np.float32))
    assert episode.action.tolist() == [0, 1, 0, 1, 0]
    assert (episode.reward.dtype, episode.terminated.tolist()) == (np.float32, [False] * 4 + [True])
    assert not episode.life_lost.any()
    raw = by_minari(tmp_path / "raw", spaces[1], Discrete(2), pixels, jpeg_encoding=False)
    (episode,) = open_dataset(raw).episodes([0])
    assert np.array_equal(episode.frame, pixels)
    jpeg = open_dataset(by_minari(tmp_path / "jpeg", spaces[1], Discrete(2), pixels))
    with pytest.raises(ValueError, match="jpeg_encoding=False"):
        list(jpeg.episodes([0]))


def test_what_no_q_network_knows_is_refused(tmp_path: Path) -> None:
    vectors, space = np.zeros((3, 4)), Box(-1, 1, (4,), np.float64)
    for name, seen, done in (
        ("many", space, MultiDiscrete([2])),
        ("start", space, Discrete(2, start=1)),
        ("states", Discrete(9), Discrete(2)),
    ):
        obs = vectors if seen is space else np.zeros(3, np.int64)
        with pytest.raises(ValueError, match="no readable data set"):
            open_dataset(by_minari(tmp_path / name, seen, done, obs))


def cut_file(folder: Path) -> None:
    """Keep only the first 5,000 bytes of the data file."""
    file = folder / "data" / "main_data.hdf5"
    file.write_bytes(file.read_bytes()[:5000])


def other_actions(folder: Path) -> None:
    """Declare fewer actions than were taken."""
    file = folder / "data" / "metadata.json"
    metadata = json.loads(file.read_text())
    metadata["action_space"] = metadata["action_space"].replace('"n": 3', '"n": 2')
    file.write_text(json.dumps(metadata))


@pytest.mark.parametrize(
    ("harm", "remedy"),
    [
        (cut_file, "no readable data set"),
        (lambda folder: (folder / "data" / "metadata.json").unlink(), "no readable data set"),
        (lambda folder: (folder / "data" / "metadata.json").write_text("{}"), "no readable data set"),
        (other_actions, "actions that are none of 0 to 1"),
    ],
)
def test_a_damaged_one_is_one_line(tmp_path: Path, harm: Callable[[Path], Any], remedy: str) -> None:
    recorded(tmp_path / "set", games=3)
    harm(tmp_path / "set")
    with pytest.raises(ValueError, match=remedy) as error:
        list(open_dataset(tmp_path / "set").episodes(range(3)))
    assert "\n" not in str(error.value)


def test_it_is_there_whole_or_not_at_all(tmp_path: Path) -> None:
    """After an error or an empty recording nothing is left; a folder with contents, or a file, is refused."""
    with pytest.raises(ZeroDivisionError), new_dataset(tmp_path / "a" / "b", EnvSettings(), spec_of(), ABOUT):
        _ = 1 / 0
    assert not (tmp_path / "a" / "b").exists()
    with (
        pytest.raises(ValueError, match="nothing was played"),
        new_dataset(tmp_path / "c", EnvSettings(), spec_of(), ABOUT),
    ):
        pass
    assert not (tmp_path / "c").exists()
    (tmp_path / "d").mkdir()
    with pytest.raises(ZeroDivisionError), new_dataset(tmp_path / "d", EnvSettings(), spec_of(), ABOUT):
        _ = 1 / 0
    assert list((tmp_path / "d").iterdir()) == []
    (tmp_path / "file").write_text("mine")
    for taken in (tmp_path, tmp_path / "file"):
        with (
            pytest.raises(ValueError, match="name another --out"),
            new_dataset(taken, EnvSettings(), spec_of(), ABOUT),
        ):
            raise AssertionError("never here")
    with pytest.raises(ValueError, match="give --dataset FOLDER"):
        open_dataset("")
