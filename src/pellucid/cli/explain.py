"""`pellucid explain`: the arithmetic of one element, or an overview picture."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Optional

import typer

from pellucid.cli import options
from pellucid.cli.output import answer, emit, say
from pellucid.errors import NetworkError

if TYPE_CHECKING:
    from pellucid.model import Model
    from pellucid.network import Network


def explain(
    run: options.Run,
    images: Annotated[
        list[str],
        typer.Argument(
            metavar="IMAGE",
            help="An image file; - for stdin; or test:N, image N of the run's "
            "test data. Of several inputs NAME=FILE for each; a FILE may be a .npy.",
            show_default=False,
        ),
    ],
    node: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option(
            "--node",
            help="The node to explain; also softmax, and loss with --label.",
            show_default=False,
        ),
    ] = None,
    at: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option(
            "--at",
            metavar="POSITION",
            help="Element: row,column,channel or unit. Default: the largest.",
            show_default=False,
        ),
    ] = None,
    weight: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option(
            "--weight",
            metavar="NAME[…]",
            help="Show the gradient of one weight, as in conv2d.weight[2,2,0,7].",
            show_default=False,
        ),
    ] = None,
    attribution: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option(
            "--attribution",
            metavar="KIND",
            help="Draw which pixels matter: grad-cam, guided-backpropagation, "
            "integrated-gradients, occlusion or saliency.",
            show_default=False,
        ),
    ] = None,
    gradient: Annotated[
        bool, typer.Option("--gradient", help="Also show the gradient.")
    ] = False,
    of_class: Annotated[
        Optional[int],  # noqa: UP045
        typer.Option(
            "--class",
            metavar="K",
            help="Take the gradient of output K. Default: the largest. With one "
            "output for two classes, 1 is the output, 0 its complement.",
            show_default=False,
        ),
    ] = None,
    output: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option(
            "--output",
            metavar="NAME",
            help="The output that --class or --label is of, where there are several.",
            show_default=False,
        ),
    ] = None,
    label: Annotated[
        Optional[int],  # noqa: UP045
        typer.Option(
            "--label",
            metavar="K",
            help="Take the gradient of the loss with label K instead.",
            show_default=False,
        ),
    ] = None,
    everything: Annotated[
        bool, typer.Option("--all", help="Show all terms instead of the largest.")
    ] = False,
    digit: Annotated[
        bool, typer.Option("--digit", help="Center and scale a drawn digit like MNIST.")
    ] = False,
    picture: options.Picture = None,
    engine: options.EngineName = None,
    layers: options.Layers = None,
    json: options.Json = False,
) -> None:
    """Show how one value of a network is computed, so that you can check it by hand.

    With --node: inputs, weights, products, their sum, the bias, the activation. With
    --gradient: the upstream gradient of this element, and how the chain rule passes it
    on to inputs and weights. With --weight: the gradient of one weight, as the sum over
    every place where it was used. Without --node and --weight: a list of the nodes, and
    a picture with each node's output and the input's saliency.

    \b
    [bold]Examples[/bold]
    pellucid explain mnist-torch seven.png --digit
    pellucid explain mnist-torch test:0 --node conv2d --at 5,7,3
    pellucid explain mnist-torch test:0 --node conv2d --at 5,7,3 --gradient --label 7
    pellucid explain mnist-torch test:0 --node dense_1 --at 7 --all
    pellucid explain mnist-torch test:0 --node loss --label 7
    pellucid explain mnist-torch test:0 --attribution grad-cam --class 7
    pellucid explain mnist-torch test:0 --weight conv2d.weight[2,2,0,7] --label 7
    pellucid explain siamese left=one.png right=other.png --node same --gradient
    """
    from pellucid.cli.explain_pictures import draw_attribution, draw_overview
    from pellucid.cli.open_run import open_run
    from pellucid.cli.own_code import load_own_code

    load_own_code(layers)
    image = " ".join(images)

    if of_class is not None and label is not None:
        raise NetworkError(
            "explain: --class must go without --label: the gradient is of an output, "
            "or of the loss; got both."
        )
    loaded = open_run(run, engine)
    model = loaded.model
    pixels = _read_image(loaded, images, digit)
    which: dict[str, Any] = {"of_class": of_class, "of_output": output}
    ends = {**which, "label": label}
    if weight is not None:
        others = (node, at, picture, attribution, gradient or None)
        if any(other is not None for other in others):
            raise NetworkError(
                "explain: --weight must go without --node, --at, --gradient, "
                "--attribution and --picture; got both. It names the element itself, "
                "as in conv2d.weight[2,2,0,7], and shows its gradient."
            )
        found = _explain_weight(
            model,
            pixels,
            weight,
            ends=ends,
            shows_all=None if json else everything,
        )
        if json:
            emit({"image": image, **found})
        return
    if attribution is not None:
        given = (node is not None, at is not None, label is not None)
        if any(given) or gradient or everything:
            raise NetworkError(
                "explain: --attribution must go with --class, --output and --picture "
                "only; got another option."
            )
        path = picture or loaded.folder / f"{attribution}.png"
        draw_attribution(model, pixels, attribution, path, which, json=json)
        return
    if node is None:
        if at is not None or gradient:
            raise NetworkError(
                "explain: --at and --gradient must go with --node; got no --node. "
                f"The nodes are {', '.join(n.name for n in model.network.nodes)}."
            )
        if label is not None or everything:
            raise NetworkError(
                "explain: --label and --all must go with --node or --weight; got "
                "neither."
            )
        path = picture or loaded.folder / "explained.png"
        draw_overview(model, pixels, path, which, json=json)
        return
    if picture is not None:
        raise NetworkError("explain: --picture must go without --node; got both.")
    is_loss = node == "loss" and of_class is None  # whose value a label decides
    if not gradient and not is_loss and any(end is not None for end in ends.values()):
        raise NetworkError(
            "explain: --class, --label and --output must go with --gradient where "
            "--node is given; got no --gradient."
        )
    document = _explain_element(
        model,
        pixels,
        node,
        _parse_position(at),
        ends=ends,
        has_gradient=gradient,
        shows_all=None if json else everything,
    )
    if json:
        emit({"image": image, **document})


def _read_image(loaded: Any, images: list[str], is_digit: bool) -> Any:
    """Return the example of the files, or one of the run's test data."""
    from pellucid.cli.examples import read_example
    from pellucid.cli.open_run import data_source
    from pellucid.data.several import SeveralDataset
    from pellucid.errors import DataError
    from pellucid.recipes.datasets import load_examples

    image = images[0]
    kind, _, index = image.partition(":")
    if kind != "test" or Path(image).exists() or len(images) > 1:
        return read_example(loaded.model, images, is_digit=is_digit)
    if is_digit:
        raise DataError(
            f"explain: --digit must go with a picture of a digit; got '{image}', which "
            "is taken as it is."
        )
    data_source(loaded, None)
    _, test = load_examples(loaded.recipe.data, loaded.model)
    if not index.isdigit() or int(index) >= len(test):
        raise DataError(
            f"explain: test:N must have N from 0 to {len(test) - 1}; got '{image}'."
        )
    if isinstance(test, SeveralDataset):
        arrays = [array[int(index)] for array in test.images]
        return arrays[0] if len(arrays) == 1 else tuple(arrays)
    if test.files:
        say(f"{image} is {test.files[int(index)]}")
    return test.images[int(index)]


def _parse_position(text: str | None) -> tuple[int, ...] | None:
    if text is None:
        return None
    try:
        return tuple(int(part) for part in text.split(","))
    except ValueError as error:
        raise NetworkError(
            f"explain: --at must be integers separated by commas, as in 5,7,3; "
            f"got '{text}'."
        ) from error


def _explain_element(
    model: Model,
    pixels: Any,
    node: str,
    at: tuple[int, ...] | None,
    *,
    ends: dict[str, Any],
    has_gradient: bool,
    shows_all: bool | None,
) -> dict[str, Any]:
    """Explain one element; print text unless ``shows_all`` is None."""
    from pellucid.explain import (
        arithmetic,
        arithmetic_text,
        derivative,
        derivative_text,
    )
    from pellucid.explain.text import format_element

    shown = arithmetic(model, pixels, node, at, label=ends["label"])
    document: dict[str, Any] = {"arithmetic": shown.to_json()}
    seen = _receptive_field(model.network, node, shown.at)
    if seen is not None:
        document["receptive_field"] = seen
    if shows_all is not None:
        answer(arithmetic_text(shown, shows_all=shows_all))
        if seen is not None:
            element = format_element(node, shown.at)
            (top, bottom), (left, right) = seen
            answer(
                f"\n{element} sees rows {top} to {bottom} and columns {left} to "
                f"{right} of the picture."
            )
    if has_gradient:
        slope = derivative(model, pixels, node, shown.at, **ends)
        document["derivative"] = slope.to_json()
        if shows_all is not None:
            answer("")
            answer(derivative_text(slope, shows_all=shows_all))
    return document


def _receptive_field(
    network: Network, node: str, at: tuple[int, ...]
) -> list[list[int]] | None:
    """Return the rows and columns of the picture that reach an element.

    None where the network takes no single picture, or nothing of it gets there.
    """
    from pellucid.network.receptive_field import field

    is_picture = len(network.inputs) == 1 and len(network.input_shape) == 3
    box = field(network, node, at) if is_picture and node in network.shapes else None
    return None if box is None else [list(span) for span in box]


def _explain_weight(
    model: Model,
    pixels: Any,
    weight: str,
    *,
    ends: dict[str, Any],
    shows_all: bool | None,
) -> dict[str, Any]:
    """Explain one weight's gradient; print text unless ``shows_all`` is None."""
    from pellucid.explain import weight_gradient, weight_gradient_text

    shown = weight_gradient(model, pixels, weight, **ends)
    if shows_all is not None:
        answer(weight_gradient_text(shown, shows_all=shows_all))
    return {"weight_gradient": shown.to_json()}
