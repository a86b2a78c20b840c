"""Clips of games for an upscaler, a dictionary of them, and the eye through which a policy sees upscaled frames."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from agents.acting.policy import PolicyOutput
from agents.playback import clips_dataset
from benchmarks.dictionary import Dictionary
from benchmarks.upscaled_play import Plain, SeenThrough, Upscaled
from cluster.gan_images import images_of
from envs.atari import AtariEnv
from envs.base import EnvSettings
from envs.colour import ColourAtari
from gan.data.images import DataSettings
from gan.upscale.lowering import lower
from gan.upscale.networks import UpscaleNetworkSettings, Upscaler
from gan.upscale.pictures import upscaled

PONG = EnvSettings(id="pong")


class Still:
    """No action but the first."""

    def start(self, num_envs: int) -> None:
        """Nothing is carried along."""

    def act(self, frame: Any, first: Any, carry: None, explore: Any) -> PolicyOutput:
        """See `agents.acting.policy.Policy`."""
        return PolicyOutput(np.zeros(len(frame), np.int64), None, frame, np.zeros((len(frame), 6), np.float32))


def test_clips_are_frames_in_a_row_of_one_episode(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clips_dataset, "EPISODES", 6)  # the fewest of which a tenth, rounded, is one
    monkeypatch.setattr(clips_dataset, "EVERY", 10)
    monkeypatch.setattr(clips_dataset, "LONGEST", 95)
    monkeypatch.setattr(clips_dataset, "player_policy", lambda *_: Still())
    settings = DataSettings(source="clips:pong")
    images = images_of(settings, tmp_path)
    assert (images.name, images.shape) == ("pong", (3, 8 * 210, 160))
    assert sum(map(len, (images.train, images.select, images.report))) >= 8 * 6
    (file,) = tmp_path.iterdir()
    with np.load(file) as saved:
        clips, episode = saved["x"].reshape(-1, 8, 210, 160, 3), saved["group"]
    env = ColourAtari(PONG)
    env.reset(4)
    screens = [env.screen]
    for _ in range(95):
        env.step(np.zeros(1, np.int64))
        screens.append(env.screen)
    env.close()
    mine = clips[episode == 4]
    starts = [t for t in range(88) if (mine[0, 0] == screens[t]).all() and (mine[0, 7] == screens[t + 7]).all()]
    assert len(starts) == 1
    for index, clip in enumerate(mine):
        np.testing.assert_array_equal(clip, screens[starts[0] + 10 * index : starts[0] + 10 * index + 8])
    monkeypatch.setattr(clips_dataset, "render_clips", None)
    assert images_of(settings, tmp_path).digest() == images.digest()
    with pytest.raises(ValueError, match="shows no screen in colour"):
        images_of(DataSettings(source="clips:toy/catch"), tmp_path)


@pytest.mark.parametrize("seen", [1, 4])
def test_a_dictionary_knows_what_it_was_made_of(seen: int) -> None:
    """Squares with samples that no other one has around it come back exactly, those of new clips approximately."""
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (3, 3, 8 * 12, 10), dtype=np.uint8)
    book = Dictionary(images, 8, seen)
    found = book.upscaled(lower(torch.from_numpy(images), 8).numpy())
    np.testing.assert_array_equal(found[:, :, 3 * 12 :], images[:, :, 3 * 12 :])
    near = np.clip(images.astype(int) + rng.integers(-2, 3, images.shape), 0, 255).astype(np.uint8)
    again = book.upscaled(lower(torch.from_numpy(near), 8).numpy())
    np.testing.assert_array_equal(again[:, :, 3 * 12 :], images[:, :, 3 * 12 :])


def test_an_eye_for_true_frames_sees_what_the_emulator_shows() -> None:
    """But for rounding and for which of two screens in colour is the brighter one."""
    env, other = AtariEnv(PONG, 2), SeenThrough(PONG, 2, Plain("true"))
    shown, seen = env.reset(3), other.reset(3)
    for time in range(60):
        if time:
            action = np.full(2, 2 + time % 2)
            shown, seen = env.step(action), other.step(action)
        difference = np.abs(shown.frame.astype(int) - seen.frame)
        assert difference.max() <= 3
        assert (shown.first == seen.first).all()
    env.close()
    other.close()


def test_play_sees_what_a_clip_would_show() -> None:
    """Frame by frame, from the first on; an env that begins anew forgets."""
    torch.manual_seed(0)
    network = Upscaler(UpscaleNetworkSettings(width=4, blocks=1, seen=4, previous=True), (3, 6 * 12, 10), 6)
    torch.nn.init.normal_(network.tail.weight, std=0.2)
    network.eval().requires_grad_(False)
    images = np.random.default_rng(0).integers(0, 256, (2, 3, 6, 12, 10), dtype=np.uint8)
    clips = images.reshape(2, 3, 6 * 12, 10)
    wanted = upscaled(network, lower(torch.from_numpy(clips), 6).numpy()).reshape(images.shape)
    eye = Upscaled(network)
    for time in range(6):
        first = np.array([time == 0, time in (0, 4)])
        found = eye(np.ascontiguousarray(images[:, :, time]), first)
        np.testing.assert_allclose(found[0].astype(int), wanted[0, :, time], atol=1)
        if time < 4:
            np.testing.assert_allclose(found[1].astype(int), wanted[1, :, time], atol=1)
    late = np.ascontiguousarray(images[:, :, 4:])
    fresh = Upscaled(network)
    fresh.time = 4
    fresh.places = torch.zeros(2, 3, 4, 6, 5, dtype=torch.uint8)
    fresh.previous = torch.zeros(2, 3, 12, 10)
    for time in range(2):
        alone = fresh(np.ascontiguousarray(late[:, :, time]), np.full(2, time == 0))
    np.testing.assert_allclose(alone[1].astype(int), found[1], atol=1)
