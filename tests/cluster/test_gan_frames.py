"""Frames of games for a GAN: rendered once, split by episode, nothing bright lost."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.playback import frames_dataset
from agents.playback.frames_dataset import Player, player_of, render, render_once, scoreless, shrink
from cluster.cli.main import main
from cluster.gan_images import images_in, images_of
from cluster.workloads import settings_of_run
from envs.base import EnvSettings
from gan.data.images import DataSettings
from training.storage import checkpoint
from training.storage.files import write_json


@pytest.fixture(autouse=True)
def _short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(frames_dataset, "FRAMES", 240)
    monkeypatch.setattr(frames_dataset, "LANES", 12)
    monkeypatch.setattr(frames_dataset, "GAMES", 0)


def test_a_game_is_rendered_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(frames_dataset, "FRAMES", 120)
    monkeypatch.setattr(frames_dataset, "LANES", 6)  # the fewest games of which a tenth, rounded, is one
    settings = DataSettings(source="game:space_invaders")
    images = images_of(settings, tmp_path)
    assert (images.name, images.shape, images.classes) == ("space_invaders", (1, 64, 64), 0)
    assert sum(map(len, (images.train, images.select, images.report))) == 120
    assert np.ptp(images.train.images, axis=0).max() > 100, "invaders move"
    files = list(tmp_path.iterdir())
    assert len(files) == 1
    monkeypatch.setattr(frames_dataset, "render", None)
    assert images_of(settings, tmp_path).digest() == images.digest()


def test_a_frame_may_have_another_side(tmp_path: Path) -> None:
    """Kept apart from the usual ones, and its episode goes with it."""
    usual = images_of(DataSettings(source="game:toy/catch"), tmp_path)
    larger = images_of(DataSettings(source="game:toy/catch", size=84), tmp_path)
    assert (usual.shape, larger.shape) == ((1, 64, 64), (1, 84, 84))
    assert len(list(tmp_path.iterdir())) == 2
    groups = [part.groups for part in (larger.train, larger.select, larger.report)]
    assert all(group is not None for group in groups)
    assert not set(groups[0]) & set(groups[2])  # type: ignore[arg-type]


def test_no_episode_is_in_two_parts() -> None:
    """An episode's group has the frames between two resets; there are enough groups to split by."""
    frames, group = render(player_of("toy/catch", settings_of_run))
    assert (frames.shape, frames.dtype, group.shape) == ((240, 64, 64), np.uint8, (240,))
    counts = np.unique(group, return_counts=True)[1]
    assert len(counts) > 12
    assert counts.max() <= 2, "games of 12 frames, of which every tenth is kept"
    again, _ = render(player_of("toy/catch", settings_of_run))
    assert (frames == again).all()


def test_a_policy_plays(catch_run: Path, tmp_path: Path) -> None:
    """Its frames are others than those of random play, and kept apart from them."""
    played = images_of(DataSettings(source=f"game:{catch_run}"), tmp_path)
    random = images_of(DataSettings(source="game:toy/catch"), tmp_path)
    assert played.shape == random.shape
    assert played.digest() != random.digest()
    assert len(list(tmp_path.iterdir())) == 2


def test_other_policies_have_other_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also one trained anew into the same directory, to the same step; and other emulators."""
    path = tmp_path / "agent_steps-000000000005"
    player = Player(EnvSettings(id="toy/catch"), None, path)
    keys = [Player(EnvSettings(id="toy/catch")).key()]
    for weight in (1, 2):
        checkpoint.save(path, {"learner": {"weight": np.full(3, weight)}})
        keys += [player.key(), player.key(84)]
    assert player.key(84) == keys[-1]
    monkeypatch.setattr(frames_dataset, "version", lambda name: "another")
    assert len({*keys, player.key()}) == 6


def test_what_is_interrupted_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(part: Path, **arrays: object) -> None:
        part.write_bytes(b"half")
        raise KeyboardInterrupt

    monkeypatch.setattr("numpy.savez_compressed", interrupted)
    with pytest.raises(KeyboardInterrupt):
        render_once(tmp_path / "cache" / "frames.npz", lambda: (np.zeros((1, 2, 2), np.uint8), np.zeros(1, np.int64)))
    assert list((tmp_path / "cache").iterdir()) == []


def test_a_run_that_has_trained_on_shows_other_frames(catch_run: Path, tmp_path: Path) -> None:
    """Whoever began with the former ones does not go on with these and call it the same."""
    player, gan = Path(shutil.copytree(catch_run, tmp_path / "player")), tmp_path / "gan"
    settings = DataSettings(source=f"game:{player}")
    images = images_in(gan, settings)
    gan.mkdir()
    write_json(gan / "run.json", {"data": images.digest()})
    assert images_in(gan, settings).digest() == images.digest()
    assert main(["train", "atari", "--run-dir", str(player), "--resume", "--steps", "500"]) == 0
    with pytest.raises(ValueError, match="the run that plays has trained on"):
        images_in(gan, settings)


@given(height=st.integers(64, 200), width=st.integers(64, 200), side=st.sampled_from([32, 64]), data=st.data())
def test_every_pixel_is_seen(height: int, width: int, side: int, data: st.DataObject) -> None:
    """One lit pixel anywhere lights a neighbourhood of its place, and nothing else."""
    row, column = data.draw(st.integers(0, height - 1)), data.draw(st.integers(0, width - 1))
    frame = np.zeros((1, height, width), np.uint8)
    frame[0, row, column] = 200
    lit = np.argwhere(shrink(frame, side)[0])
    assert 1 <= len(lit) <= 4
    for place in lit:
        for index, (size, where) in enumerate(((height, row), (width, column))):
            assert place[index] * size / side < where + 1
            assert (place[index] + 1) * size / side > where


@pytest.mark.parametrize(
    ("env", "side", "rows"),
    [
        ("space_invaders", 84, (10, 84)),
        ("space_invaders", 168, (20, 168)),
        ("ALE/MsPacman-v5", 84, (0, 69)),
        ("ALE/MsPacman-v5", 168, (0, 138)),
        ("pong", 168, (0, 168)),
        ("toy/catch", 10, (0, 10)),
    ],
)
def test_score_and_lives_are_cut_off_at_any_size(env: str, side: int, rows: tuple[int, int]) -> None:
    frames = np.zeros((2, side, side), np.uint8) + np.arange(side, dtype=np.uint8)[:, None]
    assert scoreless(frames, env)[1, :, 0].tolist() == list(range(*rows))
