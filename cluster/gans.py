"""The families of GANs that can be trained, a row each, as `cluster/workloads.py` has the agents."""

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
    search="gan.space:SEARCH",
    end="training.images",
    ends=("minutes", "training.images"),
    endless={"minutes": ENDLESS},
    in_trials={"scores.every_images": 0},
    share="cluster.gan_images:shared",
    learner="training",
)
COUPLED = GAN._replace(
    name="coupled",
    presets=("coupled",),
    settings="gan.coupled.settings:CoupledSettings",
    table="gan.coupled.presets:PRESETS",
    search="gan.coupled.parts:SEARCH",
)
PROGRESSIVE = GAN._replace(
    name="progressive",
    presets=("progressive",),
    settings="gan.progressive.settings:ProgressiveSettings",
    table="gan.progressive.presets:PRESETS",
    search="gan.progressive.parts:SEARCH",
)
UPSCALE = GAN._replace(
    name="upscale",
    presets=("upscale-photos", "upscale-frames"),
    settings="gan.upscale.settings:UpscaleSettings",
    table="gan.upscale.presets:PRESETS",
    search="gan.upscale.parts:SEARCH",
)
STYLE = GAN._replace(
    name="style",
    presets=("style",),
    settings="gan.style.settings:StyleSettings",
    table="gan.style.presets:PRESETS",
    search="gan.style.parts:SEARCH",
)
CYCLE = GAN._replace(
    name="cycle",
    presets=("cycle-digits", "cycle-frames"),
    settings="gan.cycle.settings:CycleSettings",
    table="gan.cycle.presets:PRESETS",
    search="gan.cycle.parts:SEARCH",
)
GANS = (GAN, COUPLED, PROGRESSIVE, STYLE, CYCLE, UPSCALE)
