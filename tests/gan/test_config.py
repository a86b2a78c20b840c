"""GAN settings: refused combinations, conversion to and from plain values, presets."""

from __future__ import annotations

import json
from typing import Any

import pytest

from gan.data.images import DataSettings
from gan.standard.networks import Discriminator, Generator
from gan.standard.presets import PRESETS
from gan.standard.settings import GanSettings
from training.device import resolve_device
from training.settings import changed, from_dict, to_dict

REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "batch norm under r1r2": ({"network.discriminator_norm": "batch"}, "mixes the images of a batch"),
    "batch norm under a gradient penalty": (
        {"network.discriminator_norm": "batch", "loss.kind": "wasserstein", "loss.penalty": "gradient"},
        "mixes the images of a batch",
    ),
    "wasserstein without a bound": ({"loss.kind": "wasserstein", "loss.penalty": "none"}, "needs a bounded slope"),
    "half a pack": ({"network.pack": 3}, "no multiple of network.pack 3"),
    "classes of stacks": ({"network.conditional": True, "data.stack": 3}, "use data.stack 1"),
    "rate": ({"training.generator_rate": 0.0}, "a learning rate is above 0"),
    "rate that is none": ({"training.discriminator_rate": float("nan")}, "a learning rate is above 0"),
    "beta": ({"training.beta1": 1.0}, "beta1 and beta2"),
    "decay": ({"training.decay_from": 1.5}, "a share of training"),
    "precision": ({"training.precision": "fp16"}, "use one of auto, bf16, fp32"),
    "device": ({"training.device": "tpu"}, "use auto, cpu or cuda"),
    "batch": ({"training.batch_size": 0}, "1 or more"),
    "average": ({"training.average_images": -1}, "average_images 0 or more"),
    "seed": ({"seed": -1}, "seed is -1: use 0 to 2147483647"),
    "minutes": ({"minutes": 0.0}, "minutes are above 0"),
    "samples": ({"scores.samples": 3}, "32 or more"),
    "unknown": ({"loss.gamma": 1.0}, r"unknown settings \['gamma'\]: this version knows"),
    "unknown section": ({"lost.weight": 1.0}, r"unknown settings \['lost'\]"),
    "wrong type at the root": ({"seed": 1.5}, "seed is 1.5: give a whole number"),
    "wrong type": ({"loss.weight": "much"}, "loss.weight is 'much': give a number"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_impossible_settings_are_refused(case: str) -> None:
    values, message = REFUSED[case]
    with pytest.raises(ValueError, match=message):
        changed(GanSettings(), values)


@pytest.mark.parametrize("preset", PRESETS)
def test_presets_are_plain_and_come_back(preset: str) -> None:
    settings = PRESETS[preset]()
    assert from_dict(GanSettings, json.loads(json.dumps(to_dict(settings)))) == settings
    shape = (settings.data.stack, 28, 28) if preset not in ("atari", "own") else (3, 64, 64)
    Generator(settings.network, shape, 10)
    Discriminator(settings.network, shape, 10)


def test_a_sweep_changes_what_it_names_and_nothing_else() -> None:
    base = PRESETS["dcgan"]()
    values = {"loss.kind": "hinge", "training.generator_rate": 1e-3, "seed": 7, "minutes": 2.0}
    settings = changed(base, values)
    assert (settings.loss.kind, settings.training.generator_rate, settings.seed) == ("hinge", 1e-3, 7)
    assert changed(settings, {"loss.kind": base.loss.kind, "seed": 0, "minutes": base.minutes}).network == base.network
    assert to_dict(settings) == to_dict(base) | {
        "seed": 7,
        "minutes": 2.0,
        "loss": to_dict(base)["loss"] | {"kind": "hinge"},
        "training": to_dict(base)["training"] | {"generator_rate": 1e-3},
    }


def test_settings_cannot_be_changed_in_place() -> None:
    with pytest.raises(AttributeError):
        GanSettings().data.size = 3  # type: ignore[misc]
    assert GanSettings().data == DataSettings()


def test_a_device_that_is_not_there_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    training = changed(GanSettings(), {"training.device": "cuda:1"}).training
    with pytest.raises(ValueError, match="cuda:1 is not on this machine"):
        resolve_device(training.device, "training.device")
    assert resolve_device(GanSettings().training.device, "training.device") == "cpu"
