"""Families of GANs, one row each; agents are in `cluster/workloads.py`."""

from __future__ import annotations

from cluster.workload import ENDLESS, Workload

GAN = Workload(
    name="gan",
    presets=("digits", "fashion", "stacked", "attention", "original", "dcgan", "frames", "own"),
    settings="gan.standard.settings:GanSettings",
    table="gan.standard.presets:PRESETS",
    check="cluster.gan_images:check",
    make_run="cluster.gan_images:make_run",
    evaluate="cluster.gan_images:evaluate_run",
    judged_by=(),
    search="gan.space:SEARCH",
    end="training.images",
    ends=("minutes", "training.images"),
    endless={"minutes": ENDLESS},
    in_trials={"scores.every_images": 0},
    share="cluster.gan_images:shared",
    learner="training",
)


def family(name: str, settings: str, *presets: str) -> Workload:
    """Return the row of a family in folder gan/`name`."""
    folder = f"gan.{name}"
    return GAN._replace(
        name=name,
        presets=presets,
        settings=f"{folder}.settings:{settings}",
        table=f"{folder}.presets:PRESETS",
        search=f"{folder}.parts:SEARCH",
    )


GANS = (
    GAN,
    family("coupled", "CoupledSettings", "coupled"),
    family("progressive", "ProgressiveSettings", "progressive"),
    family("style", "StyleSettings", "style"),
    family("cycle", "CycleSettings", "cycle-digits", "cycle-frames"),
    family("upscale", "UpscaleSettings", "upscale-photos", "upscale-frames"),
)
