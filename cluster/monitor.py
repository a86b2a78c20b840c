"""What TensorBoard is given of a run while it goes: scalars, distributions, pictures, settings."""

from __future__ import annotations

import io
import time
from typing import Any

from numpy.typing import NDArray
from PIL import Image
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.compat.proto.tensor_pb2 import TensorProto
from tensorboard.compat.proto.tensor_shape_pb2 import TensorShapeProto
from tensorboard.plugins.image.metadata import create_summary_metadata
from torch.utils.tensorboard import SummaryWriter

from agents.acting.policy import Actor
from agents.dqn.charts import CLOSING, LAYOUT, hparams_of, table
from agents.dqn.settings import Settings
from agents.dqn.throughput import throughput
from agents.playback.pictures import animation, begin_of_game, strip
from training.run_dir import RunDir
from training.settings import flat
from training.system_metrics import machine

HISTOGRAM_SECONDS = 20.0


class Monitor:
    """Writes a run's events; x is agent steps everywhere."""

    def __init__(self, directory: RunDir, settings: Settings, agent_steps: int) -> None:
        self.directory, self.settings = directory, settings
        self.record = directory.record()
        self.writer = SummaryWriter(str(directory.tensorboard), purge_step=agent_steps + 1)
        self.drawn = time.monotonic()
        self.before = (agent_steps, time.monotonic())
        self._introduce(agent_steps)

    def _introduce(self, agent_steps: int) -> None:
        """Layout, settings and command: what is known before the first step."""
        charts = {name: {chart: ["Multiline", tags] for chart, tags in part.items()} for name, part in LAYOUT.items()}
        self.writer.add_custom_scalars(charts)
        self.writer.add_text("run/settings", table(flat(self.settings)), agent_steps)
        facts = {name: self.record.get(name) for name in ("command", "preset", "serial", "commit")}
        made_on = {**self.record.get("versions", {}), **self.record.get("hardware", {})}
        self.writer.add_text("run/command", table({**facts, **made_on}), agent_steps)
        experiment, start, self.end = hparams_of(self.settings, self.record["preset"])
        self._add(experiment, agent_steps)
        self._add(start, agent_steps)

    def _add(self, summary: Any, agent_steps: int) -> None:
        events: Any = self.writer.file_writer
        events.add_summary(summary, agent_steps)

    def scalars(self, own: dict[str, float], agent_steps: int) -> None:
        """Write a run's scalars, and beside them throughput by stage and what the machine says."""
        stages = throughput(own, self.settings, serial=bool(self.record["serial"]))
        steps, seconds = self.before
        if agent_steps > steps:  # the last report may follow another at once, and then says nothing of the rate
            self.before = (agent_steps, time.monotonic())
            stages["throughput/run"] = (agent_steps - steps) / max(self.before[1] - seconds, 1e-9)
        for name, value in (own | stages | machine()).items():
            self.writer.add_scalar(name, value, agent_steps)

    def evaluated(self, score: float, agent_steps: int) -> None:
        """The mean score of an evaluation beside training, at the steps that its weights had seen."""
        self.writer.add_scalar("evaluation/score_mean", score, agent_steps)

    def distributions_due(self) -> bool:
        """Whether it is time for histograms again: they are for the eye, and rare."""
        return time.monotonic() - self.drawn >= HISTOGRAM_SECONDS

    def distributions(self, values: dict[str, NDArray[Any]], agent_steps: int) -> None:
        """Histograms of single values of recent batches."""
        self.drawn = time.monotonic()
        for name, array in values.items():
            self.writer.add_histogram(f"distribution/{name}", array, agent_steps)

    def pictures(self, actor: Actor, agent_steps: int) -> None:
        """The beginning of an evaluation game as an animation, and what the network looks at in it."""
        shown = begin_of_game(actor, self.settings)
        if not shown:
            return
        about = "The first 120 steps of one evaluation game: always the same seed, frozen weights."
        self._add_image("evaluation/game", animation(shown), about, agent_steps)
        looked = strip(actor.network, shown)
        if looked is not None:
            out = io.BytesIO()
            Image.fromarray(looked).save(out, "PNG")
            about = (
                "Frames of that game, and in red how much the value of the best action moves with each pixel: "
                "|dQ/dpixel|, the strongest over the stacked frames (Simonyan et al. 2013, arXiv:1312.6034)."
            )
            self._add_image("evaluation/saliency", out.getvalue(), about, agent_steps)

    def _add_image(self, tag: str, data: bytes, about: str, agent_steps: int) -> None:
        with Image.open(io.BytesIO(data)) as image:
            width, height = image.size
        # The newer form of an image's event: TensorBoard's fast reader drops the description of the older one.
        shape = TensorShapeProto(dim=[TensorShapeProto.Dim(size=3)])
        strings = [str(width).encode(), str(height).encode(), data]
        tensor = TensorProto(dtype="DT_STRING", string_val=strings, tensor_shape=shape)
        metadata = create_summary_metadata(tag, about, converted_to_tensor=False)
        self._add(Summary(value=[Summary.Value(tag=tag, tensor=tensor, metadata=metadata)]), agent_steps)

    def rewind(self, agent_steps: int) -> None:
        """The run's clock went back: what was written beyond counts no more."""
        self.writer.close()
        self.writer = SummaryWriter(str(self.directory.tensorboard), purge_step=agent_steps + 1)
        self.before = (agent_steps, time.monotonic())

    def close(self) -> None:
        """Write what is left."""
        self.writer.close()

    def conclude(self, score: float | None, agent_steps: int) -> None:
        """After `close`: the closing evaluation's mean score, where there was one, and the end of the session."""
        self.writer = SummaryWriter(str(self.directory.tensorboard), filename_suffix=".end")
        if score is not None:
            self.writer.add_scalar(CLOSING, score, agent_steps)
            self._add(self.end, agent_steps)
        self.writer.close()
