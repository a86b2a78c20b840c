"""Arguments that every command of GANs takes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from gan.standard.settings import GanSettings
from training.settings import changed


@dataclass(frozen=True, kw_only=True)
class GanOptions:
    """What every GAN command takes beside its settings."""

    settings: Annotated[GanSettings, tyro.conf.arg(name="")]
    data: str | None = None
    """digits, fashion, game:NAME (random play), game:RUN_DIR (that run's policy plays), a folder or npz file."""
    images: int | None = None
    """Real images to train on; short for --training.images."""
    run_dir: Path | None = None
    """Where everything of this run goes; default under runs/."""
    resume: tyro.conf.FlagCreatePairsOff[bool] = False
    """Go on with the run in --run-dir."""
    dry_run: tyro.conf.FlagCreatePairsOff[bool] = False
    """Print all settings; start nothing."""

    def chosen(self) -> GanSettings:
        """The settings with the short options in them."""
        short = {"data.source": self.data, "training.images": self.images}
        return changed(self.settings, {name: value for name, value in short.items() if value is not None})
