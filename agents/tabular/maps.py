"""Maps of tables: the value and the greedy action of every cell, beside the optimal ones."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from agents.tabular.grids import Grid, grid_of
from agents.tabular.mdp import Mdp, Table
from agents.tabular.optimum import Optimum
from training.run import Picture
from training.storage.curve import subplots

CELL = 0.75  # inches
ABOUT = (
    "V(s) = max_a Q(s, a) and the greedy action, as learned and as value iteration finds it; one scale of colours. "
    "No arrow: all actions have equal values."
)


def value_maps(env: str, q: Table, optimum: Optimum, at: int) -> list[Picture]:
    """Draw a learned table [<=S, A] and the optimal one; `at` is in agent steps. Empty for games without a grid."""
    grid = grid_of(env)
    if grid is None:
        return []
    title = f"{env} after {at:,} agent steps, discount {optimum.settings.discount:g}"
    figure = draw_maps(grid, optimum.mdp, {"learned": optimum.whole(q), "optimal": optimum.q}, title, ["optimal"])
    return [Picture("table/values", png_of(figure), at, ABOUT, "values.png")]


def draw_maps(grid: Grid, mdp: Mdp, tables: dict[str, Table], title: str, scaled_by: Sequence[str]) -> Any:
    """Draw a panel for each table [S, A] and stage of the grid; values of the `scaled_by` tables set the colour range.

    Returns the figure.
    """
    height, width = next(iter(grid.stages.values())).shape
    upright = width > 2 * height or len(grid.stages) > 1  # one table per row
    rows, columns = (len(tables), len(grid.stages)) if upright else (1, len(tables))
    figure, axes, bar = _panels(rows, columns, height, width)
    chosen = mdp.reachable()
    states = np.concatenate([states[chosen[states]] for states in grid.stages.values()])
    shown = [tables[name].max(axis=1)[states] for name in scaled_by]
    low, high = min(values.min() for values in shown), max(values.max() for values in shown)
    panels = [(name, stage) for name in tables for stage in grid.stages]
    for (name, stage), panel in zip(panels, axes.ravel(), strict=True):
        image = _draw(panel, grid, grid.stages[stage], tables[name], chosen, (float(low), float(high)))
        panel.set_title(", ".join(filter(None, (name, stage))), fontsize="medium")
        if len(grid.stages) == 1:
            _draw_path(panel, grid.stages[stage], mdp, tables[name])
    figure.colorbar(image, cax=bar, label="V")
    figure.suptitle(title, fontsize="medium")
    return figure


def _panels(rows: int, columns: int, height: int, width: int) -> tuple[Any, Any, Any]:
    """Return a figure, its panels [rows, columns] and axes for the colour bar; automatic layout takes twice as long."""
    tall, wide, head, gap, edge, scale = height * CELL, width * CELL, 0.35, 0.2, 0.12, 0.9  # inches
    whole_tall = head + rows * (head + tall) + edge
    whole_wide = edge + columns * (wide + gap) + scale
    places = {
        "left": edge / whole_wide,
        "right": (edge + columns * (wide + gap) - gap) / whole_wide,
        "bottom": edge / whole_tall,
        "top": 1 - 2 * head / whole_tall,
        "wspace": gap / wide,
        "hspace": head / tall,
    }
    size = (whole_wide, whole_tall)
    figure, axes = subplots(rows, columns, figsize=size, layout=None, gridspec_kw=places, squeeze=False)
    bottom, top = places["bottom"], places["top"]
    bar = figure.add_axes((places["right"] + gap / whole_wide, bottom, 0.15 / whole_wide, top - bottom))
    return figure, axes, bar


def png_of(figure: Any) -> bytes:
    """Return a figure as PNG."""
    out = io.BytesIO()
    figure.savefig(out, format="png", dpi=90)
    return out.getvalue()


def _draw(
    panel: Any, grid: Grid, states: NDArray[np.int64], q: Table, chosen: NDArray[np.bool_], scale: tuple[float, float]
) -> Any:
    """Draw one map: V as colour and number, the greedy action as arrow or word; grey for states without a choice."""
    value = np.where(chosen, q.max(axis=1), np.nan)[states]
    image = panel.imshow(value, cmap="viridis", vmin=scale[0], vmax=scale[1])
    panel.set_facecolor("0.8")
    arrows: list[tuple[float, ...]] = []
    inks: list[str] = []
    dark = (scale[0] + scale[1]) / 2  # white text below this value
    for (row, column), state in np.ndenumerate(states):
        ink = "white" if value[row, column] < dark else "black"
        letter = grid.letters.get((row, column), "")
        if not chosen[state]:
            panel.text(column, row, letter, ha="center", va="center", color="0.3")
            continue
        panel.text(column - 0.45, row - 0.43, letter, ha="left", va="top", color=ink, fontsize=8, fontweight="bold")
        panel.text(
            column, row + 0.45, _short(float(value[row, column])), ha="center", va="bottom", color=ink, fontsize=7
        )
        action = int(q[state].argmax())
        if q[state].max() == q[state].min():
            continue
        if action in grid.acts:
            panel.text(column, row, grid.acts[action], ha="center", va="center", color=ink, fontsize=7)
        else:
            arrows.append((column, row - 0.06, *grid.moves[action]))
            inks.append(ink)
    if arrows:
        one = {"angles": "xy", "units": "inches", "scale_units": "xy", "scale": 2.4, "width": 0.02, "pivot": "middle"}
        panel.quiver(*zip(*arrows, strict=True), color=inks, headwidth=6, headlength=6, headaxislength=5, **one)
    for row, column in grid.walls:
        panel.plot([column + 0.5] * 2, [row - 0.5, row + 0.5], color="black", linewidth=3)
    panel.set(xticks=[], yticks=[])
    return image


def _draw_path(panel: Any, states: NDArray[np.int64], mdp: Mdp, q: Table) -> None:
    """Draw the greedy policy's path from the start, if start and transitions are deterministic."""
    state, path = int(mdp.start.argmax()), list[int]()
    if mdp.start.max() < 1 or ((mdp.transition > 0) & (mdp.transition < 1)).any():
        return
    while state not in path:
        path.append(state)
        following = mdp.transition[state, q[state].argmax()]
        state = int(following.argmax()) if following.any() else state
    ways = [np.argwhere(states == state)[0] for state in path]
    panel.plot([x for _, x in ways], [y for y, _ in ways], color="C3", linewidth=6, alpha=0.6, zorder=0.5)


def _short(value: float) -> str:
    return f"{value:.2f}" if abs(value) < 10 else f"{value:.1f}"
