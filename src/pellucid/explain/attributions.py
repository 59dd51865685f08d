"""The attributions by name, and their picture."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pellucid.errors import NetworkError
from pellucid.explain.attribution import (
    grad_cam,
    guided_backpropagation,
    integrated_gradients,
)
from pellucid.explain.colors import signed_colors
from pellucid.explain.picture import draw_image
from pellucid.explain.ports import input_name, one_example
from pellucid.explain.saliency import Map, occlusion, saliency
from pellucid.model import Model

#: name as on the command line and in the studio → function of (model, image, of_class)
ATTRIBUTIONS: dict[str, Callable[..., Map]] = {
    "grad-cam": grad_cam,
    "guided-backpropagation": guided_backpropagation,
    "integrated-gradients": integrated_gradients,
    "occlusion": occlusion,
    "saliency": saliency,
}


def attribute(
    model: Model,
    image: Any,
    kind: str,
    of_class: int | None = None,
    *,
    of_output: str | None = None,
    of_input: str | None = None,
) -> Map:
    """Return which pixels matter for a class.

    Parameters
    ----------
    model : Model
        On any engine.
    image : array, shape of the network's input
        uint8 or float; of several inputs a tuple, or a dict by name.
    kind : str
        One of `ATTRIBUTIONS`.
    of_class : int, optional
        The largest output, if left out.
    of_output, of_input : str, optional
        Names, where the network has several.

    Returns
    -------
    Map
        What the function of that name returns.

    Raises
    ------
    NetworkError
        If there is no such kind or class.
    """
    if kind not in ATTRIBUTIONS:
        raise NetworkError(
            f"explain: attribution must be one of {', '.join(ATTRIBUTIONS)}; "
            f"got '{kind}'."
        )
    named = {"of_output": of_output, "of_input": of_input}
    return ATTRIBUTIONS[kind](model, image, of_class, **named)


def attribution_picture(
    model: Model, image: Any, found: Map, title: str, *, of_input: str | None = None
) -> Any:
    """Draw the image, and an attribution over it.

    Parameters
    ----------
    model : Model
        Whose image it is.
    image : array, shape of the network's input
        uint8 or float; of several inputs a tuple, or a dict by name.
    found : Map
        Of that image.
    title : str
        Above the map.
    of_input : str, optional
        Which input the map is of, where the network has several.

    Returns
    -------
    matplotlib.figure.Figure
        Blue: speaks for the class, orange: against it; strongest = the largest value.
    """
    from matplotlib.figure import Figure

    place = model.network.inputs.index(input_name(model, of_input))
    pixels = one_example(model, image)[place][0]
    figure = Figure(figsize=(8, 4.2), layout="constrained")
    left, right = figure.subplots(1, 2)
    draw_image(left, pixels)
    values = found.values if found.values.ndim == 2 else found.values.reshape(1, -1)
    draw_image(right, pixels)
    shown = right.imshow(
        values,
        **signed_colors(values),
        alpha=0.75,
        extent=(-0.5, values.shape[1] - 0.5, values.shape[0] - 0.5, -0.5),
    )
    right.set_axis_off()
    right.set_title(title, fontsize=9)
    figure.colorbar(shown, ax=right, shrink=0.8)
    return figure
