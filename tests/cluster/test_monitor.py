"""What TensorBoard is given of a run: C21, C22, C24."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.plugins.custom_scalar import layout_pb2
from tensorboard.plugins.hparams import plugin_data_pb2

from agents.dqn.charts import LAYOUT
from agents.dqn.learner import LearnerSettings
from agents.dqn.settings import Settings
from agents.dqn.throughput import throughput
from agents.evaluation.judged import CLOSING
from agents.replay.transitions import ReplaySettings
from agents.settings import FleetSettings
from tests.cluster.helpers import read_json
from training.system_metrics import GpuMeter

# What only some runs have: a fleet, an evaluation beside training, lanes that explore little, a GPU.
ELSEWHERE = {
    "evaluation/score_mean",
    "acting/policy_lag_in_updates",
    "wire/bytes_per_step",
    "learner/gpu_memory_gib",
    "learner/gpu_busy_percent",
    "score_while_training/low_epsilon",
    "episode_steps/low_epsilon",
}
TIMES = {
    "seconds_per_step/env": 0.002,
    "seconds_per_step/policy": 0.001,
    "seconds_per_update/sample": 0.01,
    "seconds_per_update/update": 0.03,
}


@pytest.fixture(scope="module")
def events(catch_run: Path) -> EventAccumulator:
    """All events of a serial run."""
    found = EventAccumulator(str(catch_run / "tensorboard"), {"tensors": 0})
    found.Reload()
    return found


def settings_of(runners: int = 1, learners: int = 0) -> Settings:
    """3 samples per insert in batches of 60."""
    return Settings(
        replay=ReplaySettings(samples_per_insert=3.0),
        learner=LearnerSettings(batch_size=60),
        fleet=FleetSettings(runners=runners, learners=learners, shards=min(learners, 1)),
    )


def test_distributions_are_of_many_single_values(events: EventAccumulator, catch_run: Path) -> None:
    """A batch holds 16 values: a histogram gathers several."""
    assert set(events.Tags()["histograms"]) == {
        "distribution/q_of_actions_taken",
        "distribution/td_error",
        "distribution/replay_age_in_updates",
    }
    summary = read_json(catch_run / "summary.json")
    for tag in events.Tags()["histograms"]:
        last = events.Histograms(tag)[-1]
        assert last.step == summary["agent_steps"]
        assert last.histogram_value.num > 16
        assert last.histogram_value.num % 16 == 0
    ages = events.Histograms("distribution/replay_age_in_updates")[-1].histogram_value
    assert 0 <= ages.min <= ages.max <= summary["updates"]


def test_a_game_is_shown_as_an_animation_and_what_is_looked_at(events: EventAccumulator) -> None:
    assert {"evaluation/game", "evaluation/saliency"} <= set(events.Tags()["tensors"])
    assert events.SummaryMetadata("evaluation/game").plugin_data.plugin_name == "images"
    width, height, encoded = events.Tensors("evaluation/game")[-1].tensor_proto.string_val
    with Image.open(io.BytesIO(encoded)) as animation:
        assert animation.format == "GIF"
        assert getattr(animation, "n_frames", 1) == 12, "a ball, from its first to its last picture"
        assert animation.size == (84, 84) == (int(width), int(height))
    with Image.open(io.BytesIO(events.Tensors("evaluation/saliency")[-1].tensor_proto.string_val[2])) as strip:
        pixels = np.asarray(strip.convert("RGB")).astype(int)
    assert pixels.shape == (2 * 84 * 2, 4 * 84 * 2, 3)
    frames, looked = pixels[:168], pixels[168:]
    assert (frames.max(2) == frames.min(2)).all(), "the learner sees gray"
    assert (looked[..., 0] > looked[..., 1] + 100).any()
    np.testing.assert_array_equal(looked[..., 1], frames[..., 1] // 2)


def test_the_first_tab_names_tags_that_are_written(events: EventAccumulator) -> None:
    """A tag with a typo would be an empty chart for ever."""
    (event,) = events.Tensors("custom_scalars__config__")[-1:]
    layout = layout_pb2.Layout.FromString(event.tensor_proto.string_val[0])
    assert [category.title for category in layout.category] == list(LAYOUT)
    named = {tag for category in layout.category for chart in category.chart for tag in chart.multiline.tag}
    expected = {tag for tag in named - ELSEWHERE if not tag.startswith("fleet/")}
    assert expected <= set(events.Tags()["scalars"])
    assert CLOSING in expected


def test_c22_scores_of_different_kinds_share_no_chart() -> None:
    """C22: a chart holds one kind of score: evaluation, the greediest lanes, or all lanes."""
    kinds = {"evaluation": 0, "low_epsilon": 0, "all_lanes": 0}
    for title, tags in LAYOUT["The story"].items():
        scores = [tag for tag in tags if tag.startswith(("evaluation/", "score_while_training/"))]
        found = {kind for kind in kinds for tag in scores if kind in tag}
        assert len(found) == (1 if scores else 0), title
        for kind in found:
            kinds[kind] += 1
    assert set(kinds.values()) == {1}


def test_settings_and_command_stand_in_text_and_hparams(events: EventAccumulator, catch_run: Path) -> None:
    def said(tag: str) -> str:
        return str(events.Tensors(tag)[-1].tensor_proto.string_val[0].decode())

    assert "| env.id | toy/catch |" in said("run/settings/text_summary")
    assert "| replay.capacity | 4000 |" in said("run/settings/text_summary")
    assert f"| command | {read_json(catch_run / 'run.json')['command']} |" in said("run/command/text_summary")
    plugins = events.summary_metadata
    start = plugins["_hparams_/session_start_info"].plugin_data.content
    values: Any = plugin_data_pb2.HParamsPluginData.FromString(start).session_start_info.hparams
    assert values["learner.batch_size"].number_value == 16
    assert values["env.id"].string_value == "toy/catch"
    assert values["seed"].number_value == 0
    assert "stop.steps" not in values
    assert "_hparams_/session_end_info" in plugins
    closing = events.Scalars(CLOSING)
    assert [point.value for point in closing] == [pytest.approx(read_json(catch_run / "summary.json")["eval"]["mean"])]


def test_throughput_of_stages_and_their_bound() -> None:
    """Figures by hand: 20 steps earn an update of 40 ms, a step takes a runner 3 ms."""
    one = throughput(TIMES, settings_of(), serial=True)
    assert one == pytest.approx(
        {
            "throughput/env": 500.0,
            "throughput/inference": 1000.0,
            "throughput/sampling": 2000.0,
            "throughput/gradient": 2000.0 / 3,
            "throughput/bound": 200.0,
        }
    )
    fleet = throughput(TIMES, settings_of(), serial=False)
    assert fleet["throughput/bound"] == pytest.approx(1000 / 3), "runner and learner work at once: the runner is slower"
    many = throughput(TIMES, settings_of(runners=4), serial=False)
    assert many["throughput/env"] == pytest.approx(2000.0)
    assert many["throughput/bound"] == pytest.approx(500.0), "now the learner is"
    assert throughput(TIMES, settings_of(4, learners=2), serial=False)["throughput/gradient"] == pytest.approx(4000 / 3)
    assert "throughput/gradient" not in throughput({"seconds_per_step/env": 0.1}, settings_of(), serial=False)


def test_a_run_reports_its_stages(events: EventAccumulator) -> None:
    """What runners and learner timed arrives: a serial run's stages together are slower than each of them."""
    last = {tag: events.Scalars(tag)[-1].value for tag in events.Tags()["scalars"] if tag.startswith("throughput/")}
    stages = {f"throughput/{name}" for name in ("env", "inference", "sampling", "gradient")}
    assert last.keys() == {*stages, "throughput/bound", "throughput/run"}
    assert last["throughput/bound"] == pytest.approx(1 / sum(1 / last[name] for name in stages), rel=1e-4)
    assert last["throughput/run"] > 0


def test_a_gpu_is_asked_now_and_then(monkeypatch: pytest.MonkeyPatch) -> None:
    """The driver of a GPU is slow to answer; a CPU is never asked."""
    asked: list[str] = []
    monkeypatch.setattr(torch.cuda, "memory_reserved", lambda device: 3 << 30)
    monkeypatch.setattr(torch.cuda, "utilization", lambda device: asked.append(str(device)) or 40)
    assert GpuMeter("cpu").read() == {}
    meter = GpuMeter("cuda")
    assert meter.read() == {"gpu_memory_gib": 3.0, "gpu_busy_percent": 40.0}
    assert meter.read() == {}
    assert asked == ["cuda"]

    class NVMLError(Exception):
        """As the driver's library raises it."""

    def absent(device: Any) -> int:
        raise NVMLError("NVML Shared Library Not Found")

    monkeypatch.setattr(torch.cuda, "utilization", absent)
    assert GpuMeter("cuda").read() == {"gpu_memory_gib": 3.0}
