"""Export of a trained policy to two files; loading takes two lines:

from agents.export import load_policy
policy = load_policy("pong")
action = policy(frames).argmax(1)  # frames: the last K of B games, [B, K, *frame_shape], oldest first

Needs the folders agents/ and training/, torch, safetensors and Pillow, but no Ray and no emulator.
"""

from __future__ import annotations

import io
import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from agents.networks.q_network import NetworkSettings, QNetwork
from agents.replay.frames import BLOCK
from training.messages import first_line
from training.storage.artifact import save_artifact

WEIGHTS, CARD, PROGRAM, MODULE = "policy.safetensors", "policy.json", "policy.pt2", "rlmodule"
FORMAT = 1


class ExportedPolicy(nn.Module):
    """A Q-network that takes plain frames [B, K, *frame_shape], oldest first -> action values [B, A] float32.

    It always computes in float32, although the run may have acted in bfloat16.
    """

    def __init__(self, network: QNetwork, card: dict[str, Any]) -> None:
        super().__init__()
        self.network, self.card = network, card

    def forward(self, frames: Tensor) -> Tensor:
        """Return action values; pixels are uint8, 0..255."""
        q: Tensor = self.network(_stacked(frames) if self.network.pixels else frames.unsqueeze(1))
        return q


def _stacked(frames: Tensor) -> Tensor:
    """Convert pixels [B, K, H, W] or [B, K, H, W, C] -> blocks [B, P, K, D] (`agents.replay.frames`)."""
    planes = frames.unsqueeze(-1) if frames.dim() == 4 else frames
    batch, stack, height, width, colours = planes.shape
    cells = planes.reshape(batch, stack, height // BLOCK, BLOCK, width // BLOCK, BLOCK, colours)
    return cells.permute(0, 2, 4, 1, 6, 3, 5).reshape(batch, -1, stack, colours * BLOCK * BLOCK)


def export_network(
    network: NetworkSettings,
    frame_shape: tuple[int, ...],
    num_actions: int,
    weights: dict[str, Any] | None,
    about: dict[str, Any],
) -> ExportedPolicy:
    """Create a policy on the CPU.

    Args:
        network: settings of the Q-network.
        frame_shape: of one frame.
        num_actions: A.
        weights: the network's parameters by name, arrays or tensors; None for random initialisation.
        about: additional entries of the card, as JSON values.

    Raises:
        ValueError: the weights do not fit the network, or the network is recurrent.
    """
    if type(network) is not NetworkSettings:
        raise ValueError("this policy is recurrent, and exported policies are stateless: use watch or evaluate")
    with torch.random.fork_rng(devices=[]):  # initialisation must not change the global generator
        made = QNetwork(network, frame_shape, num_actions)
    try:
        if weights is not None:
            made.load_state_dict({name: torch.as_tensor(value) for name, value in weights.items()})
    except RuntimeError:
        raise ValueError("the weights are those of another network: export the run again") from None
    shape = {"frame_shape": list(frame_shape), "num_actions": num_actions}
    card = {"format": FORMAT, "network": asdict(network), **shape, **about}
    return ExportedPolicy(made.eval().requires_grad_(False), card)


def of_card(card: dict[str, Any], weights: dict[str, Any] | None) -> ExportedPolicy:
    """Create the policy described by a card; see `export_network`."""
    shape, actions = tuple(card["frame_shape"]), int(card["num_actions"])
    return export_network(NetworkSettings(**card["network"]), shape, actions, weights, card)


def save_policy(policy: ExportedPolicy, folder: Path) -> None:
    """Write weights and card into `folder`, atomically."""
    weights = {name: value.contiguous() for name, value in policy.network.state_dict().items()}
    save_artifact(folder, weights, policy.card, Path(CARD).stem)


def load_policy(folder: str | Path) -> ExportedPolicy:
    """Load a policy of `save_policy`, on the CPU.

    Raises:
        ValueError: the policy is missing, damaged or of another version.
    """
    folder = Path(folder)
    try:
        card = json.loads((folder / CARD).read_text())
        if card["format"] != FORMAT:
            raise ValueError(f"format {card['format']}, this version reads {FORMAT}")
        return of_card(card, load_file(folder / WEIGHTS))
    except (OSError, KeyError, TypeError, ValueError, SafetensorError) as error:
        raise ValueError(f"no readable policy in {folder} ({error}): name a folder that an export made") from None


def program_of(policy: ExportedPolicy) -> bytes:
    """Return the bytes of a torch.export file of the policy, which needs no code of ours; the batch size is dynamic.

    `torch.export.load("policy.pt2").module()(frames)` returns the action values.

    Raises:
        ValueError: torch cannot trace a user's network.
    """
    games, kind = torch.export.Dim("games"), policy.card["network"]["kind"]
    try:
        graph = torch.export.export(policy, (example(policy),), dynamic_shapes=({0: games},))
    except Exception as error:  # tracing a user's code may raise anything
        said = f"torch.export cannot trace network.kind {kind} ({first_line(error)})"
        raise ValueError(f"{said}: export it with --format torch, or change its forward") from error
    file = io.BytesIO()
    torch.export.save(graph, file)
    return file.getvalue()


def example(policy: ExportedPolicy, games: int = 2) -> Tensor:
    """Return example frames for the policy: pseudo-random pixels or numbers, with a fixed seed."""
    card, generator = policy.card, torch.Generator().manual_seed(0)
    shape = (games, card["network"]["stack"], *card["frame_shape"])
    if policy.network.pixels:
        return torch.randint(256, shape, dtype=torch.uint8, generator=generator)
    return torch.randn(shape, generator=generator)
