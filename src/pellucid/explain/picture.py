"""Picture of all activations, and of what mattered."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from pellucid.explain.arithmetic import one_image
from pellucid.explain.colors import signed_colors
from pellucid.explain.probabilities import class_scores
from pellucid.explain.saliency import occlusion, saliency
from pellucid.explain.values import Array
from pellucid.model import Model

_TILES = 16  # channels of a node that are shown
_WIDTH = 12.0  # inches
_TOP, _STRIP = 2.6, 0.34  # inches: the first row; a node of plain numbers
_TITLE = 0.42  # inches above each node
_BARS = 20  # outputs that are drawn as bars


def picture(model: Model, image: npt.ArrayLike, of_class: int | None = None) -> Any:
    """Draw an image's way through a network.

    Parameters
    ----------
    model : Model
        On any engine.
    image : array, shape of the network's input
        uint8 or float.
    of_class : int, optional
        Whose saliency is drawn; the largest output's, if left out.

    Returns
    -------
    matplotlib.figure.Figure
        On top the image, its saliency, what covering a part does, and the output, or,
        of a network with an answer for each pixel, a map of those;
        below, each node's output: up to 16 channels side by side, or one strip.
        Blue: positive, orange: negative, as in the studio.

    Raises
    ------
    NetworkError, DataError
        If class or image do not fit.
    """
    from matplotlib.figure import Figure

    pixels = one_image(model, image)
    found = model.activations(pixels)
    nodes = [n.name for n in model.network.nodes if n.name not in model.network.inputs]
    tiles = {name: _tiles(found[name][0]) for name in nodes}
    heights = [_TOP, *(_height(tiles[name]) + _TITLE for name in nodes)]
    figure = Figure(figsize=(_WIDTH, sum(heights)), layout="constrained")
    parts: Any = figure.subfigures(len(heights), 1, height_ratios=heights)
    top, *rows = parts
    _draw_top(top, model, pixels, of_class)
    for row, name in zip(rows, nodes, strict=True):
        _draw_node(row, name, found[name][0], tiles[name])
    return figure


def _tiles(values: Array) -> Array:
    """Return a node's output as one flat image: channels side by side, or a strip."""
    if values.ndim != 3:
        return values.reshape(1, -1).astype(np.float64)
    height, width, channels = values.shape
    shown = min(channels, _TILES)
    gap = max(1, width // 14)
    flat = np.full((height, _TILES * (width + gap) - gap), np.nan)
    for c in range(shown):
        flat[:, c * (width + gap) : c * (width + gap) + width] = values[:, :, c]
    return flat


def _height(tiles: Array) -> float:
    if len(tiles) == 1:
        return _STRIP
    return max(_STRIP, (_WIDTH - 0.4) * len(tiles) / int(tiles.shape[1]))


def _draw_node(row: Any, name: str, values: Array, tiles: Array) -> None:
    panel = row.subplots()
    aspect = "auto" if len(tiles) == 1 else "equal"
    panel.imshow(tiles, aspect=aspect, interpolation="nearest", **signed_colors(values))
    panel.set(xticks=[], yticks=[])
    panel.spines[:].set_visible(len(tiles) == 1)  # a strip may end in white
    panel.spines[:].set_color("#999999")
    shape = "×".join(map(str, values.shape))
    is_cut = values.ndim == 3 and values.shape[2] > _TILES
    note = f", the first {_TILES} channels" if is_cut else ""
    panel.set_title(
        f"{name}   {shape}{note}   {values.min():.3g} … {values.max():.3g}",
        loc="left",
        fontsize=9,
    )


def _draw_top(top: Any, model: Model, pixels: Array, of_class: int | None) -> None:
    output = model.predict(pixels)
    if output.ndim != 2:
        _draw_pixel_answers(top, model, pixels, output)
        return
    important = saliency(model, pixels, of_class)
    k = important.of_class
    name, is_values = _names(model)[k], model.output_meaning.kind == "regression"
    panels = top.subplots(1, 4, width_ratios=(1, 1, 1, 1.6))
    draw_image(panels[0], pixels[0])
    size = {"cmap": "inferno", "vmin": 0}
    _draw_map(panels[1], important.values, f"saliency |∂ {name} / ∂ pixel|", size)
    if pixels.ndim == 4:
        less = "less" if is_values else "less likely"
        fall = occlusion(model, pixels, k).values
        what = f"blue: covered, {name} is {less}"
        _draw_map(panels[2], fall, what, signed_colors(fall))
    else:
        panels[2].set_axis_off()
    _draw_output(panels[3], model, output)


def _draw_pixel_answers(top: Any, model: Model, pixels: Array, output: Array) -> None:
    """Draw the image, and what is said of each pixel: no single output is salient."""
    panels = top.subplots(1, 2)
    draw_image(panels[0], pixels[0])
    answers = model.output_meaning.predict(output)[0].astype(np.float64)
    shown = answers if answers.ndim < 3 else _tiles(answers)
    _draw_map(panels[1], shown, "output of each pixel", {"cmap": "viridis"})


def draw_image(panel: Any, pixels: Array) -> None:
    """Draw one input: a picture in grey or colour, or its first numbers."""
    panel.set_axis_off()
    panel.set_title("input", fontsize=9)
    if pixels.ndim != 3:
        panel.text(0, 0.5, " ".join(f"{x:g}" for x in pixels.ravel()[:10]))
        return
    if pixels.dtype != np.uint8:
        low, high = float(pixels.min()), float(pixels.max())
        pixels = (pixels - low) / (high - low if high > low else 1.0)
    shown = pixels if pixels.shape[2] == 3 else pixels.mean(axis=2)
    panel.imshow(shown, cmap="gray")


def _draw_map(panel: Any, values: Array, title: str, colours: dict[str, Any]) -> None:
    flat = values if values.ndim == 2 else values.reshape(1, -1)
    panel.imshow(flat, interpolation="nearest", **colours)
    panel.set_axis_off()
    panel.set_title(title, fontsize=9)


def _names(model: Model) -> tuple[str, ...]:
    """Return a name for each class or label, or for each value."""
    return model.class_names or model.output_meaning.column_names(model.classes)


def _draw_output(panel: Any, model: Model, output: Array) -> None:
    shares = class_scores(model, output)[0].ravel()
    order = np.arange(len(shares))
    if len(shares) > _BARS:
        order = np.argsort(shares)[::-1][:_BARS]
    names = [_names(model)[k] for k in order]
    panel.barh(range(len(order)), shares[order], color="#0072b2")
    panel.set_yticks(range(len(order)), names, fontsize=7)
    panel.invert_yaxis()
    is_values = model.output_meaning.kind == "regression"
    if not is_values:
        panel.set_xlim(0, 1)
    panel.set_title("output" if is_values else "output as probability", fontsize=9)
    panel.spines[["top", "right"]].set_visible(False)
    panel.tick_params(axis="x", labelsize=7)
