"""Take screenshots of TensorBoard for the documentation, from real runs and with the system's Chromium.

    python -m benchmarks.board_pictures runs --out docs --tabs story images hparams

Requires `chromium` (Debian: apt-get install chromium), which is not a dependency of the project.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import tempfile
from pathlib import Path

from PIL import Image

from cluster.cli.board import runs_in, serve

WIDTH = 1440  # of the window, in pixels
TABS = {"story": ("custom_scalars", 960), "images": ("images", 620), "hparams": ("hparams", 480)}  # tab, height
PATIENCE = 180  # timeout of a page in seconds
COLOURS = 64  # palette size, for small files


def take(chromium: str, url: str, height: int, file: Path) -> None:
    """Save a screenshot of a page as a PNG with few colours."""
    with tempfile.TemporaryDirectory() as profile:
        command = [
            chromium, "--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--no-first-run",
            f"--user-data-dir={profile}", f"--window-size={WIDTH},{height}",
            "--virtual-time-budget=30000", f"--screenshot={file.absolute()}", url,
        ]  # fmt: skip
        subprocess.run(command, check=True, capture_output=True, timeout=PATIENCE)
    with Image.open(file) as picture:
        small = picture.convert("RGB").quantize(COLOURS, dither=Image.Dither.NONE)
    small.save(file, optimize=True)


def main() -> None:
    """Start TensorBoard on a free port and take a screenshot of each tab."""
    parser = argparse.ArgumentParser(description="Pictures of TensorBoard for the documentation.")
    parser.add_argument("runs", type=Path)
    parser.add_argument("--out", type=Path, default=Path("docs"))
    parser.add_argument("--tabs", nargs="+", choices=list(TABS), default=list(TABS))
    options = parser.parse_args()
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if chromium is None:
        raise SystemExit("no chromium here: install one (Debian: apt-get install chromium)")
    runs_in(options.runs)
    url = serve(options.runs, 0)
    for name in options.tabs:
        (tab, height), file = TABS[name], options.out / f"board-{name}.png"
        take(chromium, f"{url}#{tab}", height, file)
        print(f"{file}: {file.stat().st_size / 1000:.0f} KB")


if __name__ == "__main__":
    main()
