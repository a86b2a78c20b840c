"""`quarterdeck sample`: images of the best generator of a run or sweep."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from cluster.cli.options import Sample
from cluster.gan_images import cache_of, images_of
from gan.evaluation.features import extractor_for
from gan.export import Exported, load_generator
from gan.parts import parts_of
from gan.samples.directions import explore
from gan.samples.pictures import walk
from training.settings import check_seed
from training.storage.files import gif, png, write_bytes, write_json
from training.storage.run_dir import RunDir


def sample(options: Sample) -> int:
    """Run `quarterdeck sample RUN_DIR --out FILE.png`."""
    for file, suffix in ((options.out, ".png"), (options.walk, ".gif"), (options.directions, ".png")):
        if file is not None and (file.suffix != suffix or file.is_dir() or not file.parent.is_dir()):
            raise ValueError(f"{file} cannot be written: name a FILE{suffix} in a folder that exists")
    check_seed(options.seed)
    found = load_generator(RunDir(options.run_dir).generator)
    write_bytes(options.out, png(parts_of(found.settings).grid(found.network, options.seed)))
    if options.walk is not None:
        write_bytes(options.walk, gif(walk(found.network, options.seed)))
    files = [file for file in (options.out, options.walk, options.directions) if file is not None]
    if options.directions is not None:
        files.append(options.directions.with_suffix(".json"))
        write_json(files[-1], directions(found, options.run_dir, options.directions, options.seed))
    print(" and ".join(map(str, files)))
    return 0


def directions(found: Exported, run: Path, picture: Path, seed: int) -> dict[str, Any]:
    """Draw directions in latent space; return their effects. Trains the images' classifier if it is not cached."""
    extractor, cache = None, cache_of(run)
    if found.network.embedding is None:
        data = images_of(found.settings.data, cache)
        if data.classes and data.stack == 1 and found.sample(1).shape[1:] == data.shape:
            extractor = extractor_for(data, cache)
    return explore(found.network, extractor, seed, picture)
