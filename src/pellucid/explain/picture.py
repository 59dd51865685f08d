"""Picture of all activations, and of what mattered."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from pellucid.engines.ports import join
from pellucid.explain.colors import signed_colors
from pellucid.explain.ports import Example, one_example, predict_outputs
from pellucid.explain.probabilities import class_scores
from pellucid.explain.saliency import occlusion, saliency
from pellucid.explain.values import Array
from pellucid.model import Model
from pellucid.model.ports import output_meaning_of

_TILES = 16  # channels of a node that are shown
_WIDTH = 12.0  # inches
_TOP, _STRIP = 2.6, 0.34  # inches: the first row; a node of plain numbers
_TITLE = 0.42  # inches above each node
_BARS = 20  # outputs that are drawn as bars


def picture(
    model: Model,
    image: Any,
    of_class: int | None = None,
    *,
    of_output: str | None = None,
) -> Any:
    """Draw an image's way through a network.

    Parameters
    ----------
    model : Model
        On any engine.
    image : array, shape of the network's input
        uint8 or float; of several inputs a tuple, or a dict by name.
    of_class : int, optional
        Whose saliency is drawn; the largest output's, if left out.
    of_output : str, optional
        Which output this class is of; the first, if left out.

    Returns
    -------
    matplotlib.figure.Figure
        On top the image, its saliency, what covering a part does, and the output, or,
        of a network with an answer for each pixel, a map of those, for each input and
        output;
        below, each node's output: up to 16 channels side by side, or one strip.
        Blue: positive, orange: negative, as in the studio.

    Raises
    ------
    NetworkError, DataError
        If class or image do not fit.
    """
    from matplotlib.figure import Figure

    example = one_example(model, image)
    found = model.activations(join(example))
    nodes = [n.name for n in model.network.nodes if n.name not in model.network.inputs]
    tiles = {name: _tiles(found[name][0]) for name in nodes}
    tops = _tops(model, example, of_class, of_output)
    heights = [_TOP] * len(tops)
    heights += [_height(tiles[name]) + _TITLE for name in nodes]
    figure = Figure(figsize=(_WIDTH, sum(heights)), layout="constrained")
    parts: Any = figure.subfigures(len(heights), 1, height_ratios=heights)
    for part, draw in zip(parts, tops, strict=False):
        draw(part)
    rows = parts[len(tops) :]
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


def _tops(
    model: Model, example: Example, of_class: int | None, of_output: str | None
) -> list[Callable[[Any], None]]:
    """Return what draws each row on top: inputs and outputs, beside each other."""
    network = model.network
    outputs = predict_outputs(model, example)
    of_output = of_output or network.outputs[0]
    names = [*outputs]
    names.remove(of_output)
    rows = [_Row(model, example, outputs, network.inputs[0], of_output)]
    rows += [_Row(model, example, outputs, name, None) for name in network.inputs[1:]]
    for place, name in enumerate(names):
        if place + 1 < len(rows):
            rows[place + 1].output = name
        else:
            rows.append(_Row(model, example, outputs, None, name))
    return [functools.partial(row.draw, of_class, of_output) for row in rows]


@dataclass
class _Row:
    """An input, what mattered of it for the output asked about, and an output."""

    model: Model
    example: Example
    outputs: dict[str, Array]
    input: str | None
    output: str | None

    def draw(self, of_class: int | None, of_output: str, top: Any) -> None:
        """Draw up to four panels."""
        panels = top.subplots(1, 4, width_ratios=(1, 1, 1, 1.6))
        for panel in panels:
            panel.set_axis_off()
        if self.input is not None:
            self._draw_input(panels, of_class, of_output)
        if self.output is not None:
            self._draw_output(panels[3])

    def _draw_input(self, panels: Any, of_class: int | None, of_output: str) -> None:
        model, network = self.model, self.model.network
        pixels = self.example[network.inputs.index(self.input or "")]
        is_only = len(network.inputs) == 1
        draw_image(panels[0], pixels[0], "input" if is_only else f"input {self.input}")
        if self.outputs[of_output].ndim != 2:
            return  # an answer for each pixel: no single output is salient
        given: dict[str, Any] = {"of_output": of_output, "of_input": self.input}
        whole = join(self.example)
        important = saliency(model, whole, of_class, **given)
        k = important.of_class
        name = _names(model, of_output)[k]
        meaning = output_meaning_of(model, of_output)
        size = {"cmap": "inferno", "vmin": 0}
        _draw_map(panels[1], important.values, f"saliency |∂ {name} / ∂ pixel|", size)
        if pixels.ndim != 4:
            return
        less = "less" if meaning.kind == "regression" else "less likely"
        fall = occlusion(model, whole, k, **given).values
        what = f"blue: covered, {name} is {less}"
        _draw_map(panels[2], fall, what, signed_colors(fall))

    def _draw_output(self, panel: Any) -> None:
        name = self.output or ""
        called = "output" if len(self.outputs) == 1 else name
        values = self.outputs[name]
        if values.ndim == 2:
            _draw_bars(panel, self.model, values, name, called)
            return
        answers = output_meaning_of(self.model, name).predict(values)[0]
        answers = answers.astype(np.float64)
        shown = answers if answers.ndim < 3 else _tiles(answers)
        _draw_map(panel, shown, f"{called} of each pixel", {"cmap": "viridis"})


def draw_image(panel: Any, pixels: Array, title: str = "input") -> None:
    """Draw one input: a picture in grey or colour, or its first numbers."""
    panel.set_axis_off()
    panel.set_title(title, fontsize=9)
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


def _names(model: Model, output: str) -> tuple[str, ...]:
    """Return a name for each class or label, or for each value."""
    meaning, classes = output_meaning_of(model, output), model.classes
    return meaning.class_names(classes) or meaning.column_names(classes)


def _draw_bars(
    panel: Any, model: Model, values: Array, output: str, called: str
) -> None:
    panel.set_axis_on()
    shares = class_scores(model, values, of_output=output)[0].ravel()
    order = np.arange(len(shares))
    if len(shares) > _BARS:
        order = np.argsort(shares)[::-1][:_BARS]
    names = [_names(model, output)[k] for k in order]
    panel.barh(range(len(order)), shares[order], color="#0072b2")
    panel.set_yticks(range(len(order)), names, fontsize=7)
    panel.invert_yaxis()
    is_values = output_meaning_of(model, output).kind == "regression"
    if not is_values:
        panel.set_xlim(0, 1)
    panel.set_title(called if is_values else f"{called} as probability", fontsize=9)
    panel.spines[["top", "right"]].set_visible(False)
    panel.tick_params(axis="x", labelsize=7)
