"""TensorBoard events of a run: scalars, histograms, pictures, settings."""

from __future__ import annotations

import io
import time
from pathlib import Path
from typing import Any

from numpy.typing import NDArray
from PIL import Image
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.compat.proto.tensor_pb2 import TensorProto
from tensorboard.compat.proto.tensor_shape_pb2 import TensorShapeProto
from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData
from tensorboard.plugins.image.metadata import create_summary_metadata
from torch.utils.tensorboard import SummaryWriter
from torch.utils.tensorboard.summary import hparams

from training.run import About, Picture, Record
from training.storage.run_dir import RunDir

HISTOGRAM_SECONDS = 20.0


def open_events(folder: Path, **options: Any) -> SummaryWriter:
    """Return a SummaryWriter for `folder`."""
    return SummaryWriter(str(folder), **options)


class TensorBoard:
    """Writes a run's events; the step is always the run's clock."""

    def __init__(self, directory: RunDir, about: About, now: int) -> None:
        self.directory, self.about = directory, about
        self.writer = open_events(directory.tensorboard, purge_step=now + 1)
        self.drawn = time.monotonic()
        self._introduce(now)

    def _introduce(self, now: int) -> None:
        """Write layout, settings and command, before the first step."""
        charts = self.about.charts
        layout = {name: {title: ["Multiline", tags] for title, tags in part.items()} for name, part in charts.items()}
        if layout:
            self.writer.add_custom_scalars(layout)
        self.writer.add_text("run/settings", markdown(self.about.settings), now)
        record = self.directory.record()
        facts = {name: record.get(name) for name in ("command", "preset", "serial", "commit")}
        made_on = {**record.get("versions", {}), **record.get("hardware", {})}
        self.writer.add_text("run/command", markdown({**facts, **made_on}), now)
        experiment, start, self.end = hparams_of(self.about)
        self._add(experiment, now)
        self._add(start, now)

    def _add(self, summary: Any, now: int) -> None:
        events: Any = self.writer.file_writer
        events.add_summary(summary, now)

    def scalars(self, record: Record) -> None:
        """Write a record's scalars."""
        for name, value in record.scalars.items():
            self.writer.add_scalar(name, value, record.at)

    def distributions_due(self) -> bool:
        """Return whether new histograms are due."""
        return time.monotonic() - self.drawn >= HISTOGRAM_SECONDS

    def distributions(self, values: dict[str, NDArray[Any]], now: int) -> None:
        """Write histograms."""
        self.drawn = time.monotonic()
        for name, array in values.items():
            self.writer.add_histogram(f"distribution/{name}", array, now)

    def picture(self, picture: Picture) -> None:
        """Write a picture or an animation."""
        add_picture(self.writer, picture)

    def rewind(self, now: int) -> None:
        """Discard events later than `now`, after the run's clock was rewound."""
        self.writer.close()
        self.writer = open_events(self.directory.tensorboard, purge_step=now + 1)

    def close(self) -> None:
        """Flush and close."""
        self.writer.close()

    def conclude(self, score: float | None, pictures: tuple[Picture, ...], now: int) -> None:
        """Write the closing evaluation, if any, and the end of the session, after `close`."""
        self.writer = open_events(self.directory.tensorboard, filename_suffix=".end")
        if score is not None:
            self.writer.add_scalar(self.about.results[0], score, now)
            self._add(self.end, now)
        for picture in pictures:
            self.picture(picture)
        self.writer.close()


def add_picture(writer: SummaryWriter, picture: Picture) -> None:
    """Write an encoded picture or animation, unchanged; TensorBoard plays animations."""
    with Image.open(io.BytesIO(picture.data)) as image:
        width, height = image.size
    # The newer event format: TensorBoard's fast reader drops descriptions of the older one.
    shape = TensorShapeProto(dim=[TensorShapeProto.Dim(size=3)])
    strings = [str(width).encode(), str(height).encode(), picture.data]
    tensor = TensorProto(dtype="DT_STRING", string_val=strings, tensor_shape=shape)
    metadata = create_summary_metadata(picture.tag, picture.about, converted_to_tensor=False)
    value = Summary.Value(tag=picture.tag, tensor=tensor, metadata=metadata)
    events: Any = writer.file_writer
    events.add_summary(Summary(value=[value]), picture.at)


def hparams_of(about: About) -> tuple[Any, Any, Any]:
    """Return the summaries of TensorBoard's hyperparameter table: experiment, session start and end.

    Settings that differ from the preset's are marked and shown first.
    """
    values = about.compared
    experiment, start, end = hparams(values, dict.fromkeys(about.results, 0.0))  # type: ignore[no-untyped-call]
    content = experiment.value[0].metadata.plugin_data
    told = HParamsPluginData.FromString(content.content)
    for info in told.experiment.hparam_infos:
        info.differs = values[info.name] != about.defaults[info.name]
    content.content = told.SerializeToString()
    return experiment, start, end


def markdown(values: dict[str, Any]) -> str:
    """Format names and values as a Markdown table."""
    rows = [f"| {name} | {value} |" for name, value in values.items()]
    return "\n".join(["| name | value |", "|---|---|", *rows])
