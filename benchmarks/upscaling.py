"""Compare upscaling with its controls; print a Markdown table and write a picture.

    python -m benchmarks.upscaling photos            bicubic, error alone, GAN, on the held-out photographs
    python -m benchmarks.upscaling frames --data clips:runs/pong-s0    bicubic, dictionaries, one frame, four frames

One training at a time, on one thread. Interrupted trainings resume, finished ones are not repeated; runs are under
--runs.
"""

from __future__ import annotations

import argparse
import re
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.dictionary import Dictionary
from benchmarks.gan_families import trained
from cluster.gan_images import cache_of, images_of
from gan.data.images import Pixels
from gan.data.photos import REPORT, photo
from gan.export import load_generator
from gan.samples.pictures import grid
from gan.upscale.lowering import clips, enlarged, lower
from gan.upscale.metrics import luma, psnr, slope, ssim
from gan.upscale.parts import make_judge
from gan.upscale.pictures import upscaled
from gan.upscale.settings import UpscaleSettings
from training.storage.files import png, write_bytes

BORDER = 2  # pixels ignored on each side, by convention as many as the scale
CROP = 64  # side of the crops in the picture
PLACES = {"chelsea.png": (90, 190), "coffee.png": (150, 330), "china.jpg": (170, 290)}  # top and left of the crop
KNOWN = {"error alone": ["--loss.adversarial=0"], "GAN": []}
SEEN = {
    "network, 1 frame": ["--network.seen=1", "--network.no-previous"],
    "network, 4 frames": [],  # and its last output
}


def named(*words: str) -> str:
    """Return a folder name made of all options."""
    return re.sub(r"[^\w.]+", "-", " ".join(words))


def photographs(seeds: list[int], given: list[str], runs: Path) -> None:
    """Score whole held-out photographs by each training; write crops as a picture."""
    print("| photograph | enlarged by | seed | PSNR | SSIM | sharpness |\n|---|---|---|---|---|---|")
    shown: dict[str, list[Pixels]] = {name: [] for name in REPORT}
    for seed in seeds:
        networks: dict[str, Any] = {}
        for name, options in KNOWN.items():
            run = runs / named("photos", name, *given, str(seed))
            trained("upscale-photos", [f"--seed={seed}", "--minutes=1e9", *options, *given], run)
            networks[name] = load_generator(run / "generator").network
        for file in REPORT:
            image = photo(file)
            truth = image[None, :, : image.shape[1] // 2 * 2, : image.shape[2] // 2 * 2]
            small = lower(torch.from_numpy(truth), 1)
            found = {"bicubic": enlarged(small, "bicubic").numpy()}
            found |= {name: upscaled(network, small.numpy()) for name, network in networks.items()}
            for name, large in found.items():
                a, b = luma(large, BORDER), luma(truth, BORDER)
                said = f"{psnr(a, b)[0]:.2f} | {ssim(a, b)[0]:.4f} | {slope(a) / slope(b):.3f}"
                print(f"| {Path(file).stem} | {name} | {'' if name == 'bicubic' else seed} | {said} |", flush=True)
            if seed == seeds[0]:
                shown[file] = [enlarged(small, "nearest").numpy(), *found.values(), truth]
    crops = [
        each[0, :, top : top + CROP, left : left + CROP] for file, (top, left) in PLACES.items() for each in shown[file]
    ]
    picture = grid(np.stack(crops).repeat(3, 2).repeat(3, 3), len(crops) // len(PLACES))
    write_bytes(runs / "photos.png", png(picture))


def frames(seeds: list[int], given: list[str], runs: Path) -> None:
    """Score clips of held-out episodes by each training and by lookup; write crops as a picture."""
    print("| enlarged by | seed | PSNR | over bicubic | sharpness | flicker |\n|---|---|---|---|---|---|")
    for seed in seeds:
        found: dict[str, Pixels] = {}
        networks: dict[str, Any] = {}
        for name, options in SEEN.items():
            run = runs / named("frames", name, *given, str(seed))
            trained("upscale-frames", [f"--seed={seed}", "--minutes=1e9", *options, *given], run)
            networks[name] = load_generator(run / "generator")
        settings: UpscaleSettings = networks[name].settings
        data = images_of(settings.data, cache_of(run))
        judge = make_judge(settings, data, cache_of(run), "report")
        if seed == seeds[0]:
            found = {name: enlarged(judge.small, name).numpy() for name in ("nearest", "bicubic")}
            for seen in (1, 4):
                book = Dictionary(data.train.images, settings.frames, seen)
                found[f"dictionary, {seen} frame{'s' * (seen > 1)}"] = book.upscaled(judge.small.numpy())
        found |= {name: judge.answers(each.network) for name, each in networks.items()}
        for name, large in found.items():
            scores = {kind: float(value) for kind, value in judge.fidelity(large).items()}
            more = scores["psnr"] - float(judge.baseline["psnr"])
            said = f"{scores['psnr']:.2f} | {more:+.2f} | {scores['sharpness']:.3f} | {scores['flicker']:.3f}"
            print(f"| {name} | {seed if name in networks else ''} | {said} |", flush=True)
        if seed == seeds[0]:
            draw_moving(found, judge.truth, settings.frames, runs / "frames.png")


def draw_moving(found: dict[str, Pixels], truth: Pixels, count: int, file: Path) -> None:
    """Draw the last frames of three clips at the largest change, a column for each of `found` and the truth."""
    last = [clips(torch.from_numpy(images), count)[:, -1].numpy() for images in (*found.values(), truth)]
    before = clips(torch.from_numpy(truth), count)[:, -2].numpy()
    crops = []
    for index in range(3):
        moved = np.abs(last[-1][index].astype(int) - before[index]).sum(0)
        row, column = np.unravel_index(moved[CROP:-CROP, 16:-16].argmax(), moved[CROP:-CROP, 16:-16].shape)
        top, left = int(row) + CROP - 16, int(column)
        crops += [images[index, :, top : top + 32, left : left + 32] for images in last]
    write_bytes(file, png(grid(np.stack(crops).repeat(4, 2).repeat(4, 3), len(last))))


def main() -> None:
    """Run the trainings of a task and print its table."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("task", choices=("photos", "frames"))
    options.add_argument("--seeds", type=int, nargs="+", default=[0])
    options.add_argument("--images", type=int, help="of each training; default: the preset's")
    options.add_argument("--data", help="of each training; default: the preset's")
    options.add_argument("--runs", type=Path, default=Path("runs/benchmark-upscaling"))
    asked = options.parse_args()
    torch.set_num_threads(1)
    given = [] if asked.images is None else [f"--images={asked.images}"]
    given += [] if asked.data is None else [f"--data={asked.data}"]
    (photographs if asked.task == "photos" else frames)(asked.seeds, given, asked.runs)


if __name__ == "__main__":
    main()
