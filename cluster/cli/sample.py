"""sample: pictures by the best generator of a run or a sweep."""

from __future__ import annotations

from cluster.cli.options import Sample
from gan.export import load_generator
from gan.parts import parts_of
from gan.samples.pictures import walk
from training.storage.files import gif, png, write_bytes
from training.storage.run_dir import RunDir


def sample(options: Sample) -> int:
    """`quarterdeck sample RUN_DIR --out FILE.png`."""
    for file, suffix in ((options.out, ".png"), (options.walk, ".gif")):
        if file is not None and (file.suffix != suffix or file.is_dir() or not file.parent.is_dir()):
            raise ValueError(f"{file} cannot be written: name a FILE{suffix} in a folder that exists")
    if not 0 <= options.seed < 2**31:
        raise ValueError(f"seed is {options.seed}: use 0 to {2**31 - 1}")
    found = load_generator(RunDir(options.run_dir).generator)
    write_bytes(options.out, png(parts_of(found.settings).grid(found.network, options.seed)))
    if options.walk is not None:
        write_bytes(options.walk, gif(walk(found.network, options.seed)))
    print(" and ".join(str(file) for file in (options.out, options.walk) if file is not None))
    return 0
