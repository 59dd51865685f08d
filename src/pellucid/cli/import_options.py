"""Options of commands that read a file of another program."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import TYPE_CHECKING, Annotated, Any, Optional

import typer

from pellucid.cli.output import say
from pellucid.errors import ExchangeError

if TYPE_CHECKING:
    from pellucid.model import Model

_PREPROCESSING = "Preprocessing of pictures"

Format = Annotated[
    Optional[str],  # noqa: UP045 - typer reads it at run time
    typer.Option(
        "--format", help="The file's format. Default: from its name or content."
    ),
]
Dequantize = Annotated[
    bool,
    typer.Option(
        "--dequantize",
        help="Turn an integer network into a float network, which can be trained.",
    ),
]
Network = Annotated[
    Optional[str],  # noqa: UP045
    typer.Option(
        "--network",
        metavar="NETWORK",
        help="What weights without layers (a PyTorch state_dict) belong to: a name of "
        "the zoo, or a .json or .py file.",
    ),
]
Preset = Annotated[
    Optional[str],  # noqa: UP045
    typer.Option(
        "--preset",
        help="How pixels become input: imagenet (torchvision, timm), keras-caffe, "
        "keras-tf, keras-torch, raw (0 … 255), signed (−1 … 1), unit (0 … 1).",
        rich_help_panel=_PREPROCESSING,
    ),
]
Scale = Annotated[
    Optional[str],  # noqa: UP045
    typer.Option(
        "--scale",
        metavar="NUMBERS",
        help="Instead: input = (pixel · scale − mean) / std. One number, or one for "
        "each channel. Default: 1/255.",
        rich_help_panel=_PREPROCESSING,
    ),
]
Mean = Annotated[
    Optional[str],  # noqa: UP045
    typer.Option(
        "--mean",
        metavar="NUMBERS",
        help="Default: 0.",
        rich_help_panel=_PREPROCESSING,
    ),
]
Std = Annotated[
    Optional[str],  # noqa: UP045
    typer.Option(
        "--std",
        metavar="NUMBERS",
        help="Default: 1.",
        rich_help_panel=_PREPROCESSING,
    ),
]
ChannelOrder = Annotated[
    Optional[str],  # noqa: UP045
    typer.Option(
        "--channel-order",
        help="rgb or bgr: how the network takes colours. Default: rgb.",
        rich_help_panel=_PREPROCESSING,
    ),
]


InputSize = Annotated[
    Optional[str],  # noqa: UP045
    typer.Option(
        "--input-size",
        metavar="HEIGHT,WIDTH",
        help="Sizes of the input, where the file leaves them free; with the channels "
        "as a third number where it leaves those free, too.",
    ),
]


Constants = Annotated[
    Optional[list[str]],  # noqa: UP045
    typer.Option(
        "--constant",
        metavar="NAME=NUMBERS",
        help="ONNX: the value of an input that is a constant, such as a sample rate; "
        "repeatable.",
    ),
]


def parse_constants(texts: Sequence[str] | None) -> dict[str, Any] | None:
    """Return what was typed as NAME=NUMBERS; None where nothing was.

    Raises
    ------
    ExchangeError
        If one is no name with numbers, or a name comes twice.
    """
    import numpy as np

    if not texts:
        return None
    found: dict[str, Any] = {}
    for text in texts:
        name, equals, numbers = text.partition("=")
        if not equals or not name or name in found:
            raise ExchangeError(
                "import: --constant must be NAME=NUMBERS, each name once; got "
                f"{text!r}."
            )
        values = parse_numbers(numbers, f"--constant {name}", _number)
        found[name] = np.array(values if len(values) > 1 else values[0])
    return found


def _number(text: str) -> int | float:
    """Return a whole number as one, any other as a float."""
    try:
        return int(text)
    except ValueError:
        return _fraction(text)


def parse_input_size(text: str | None) -> tuple[int, ...] | None:
    """Return the sizes that were typed; ExchangeError if they are no whole numbers."""
    return None if text is None else parse_numbers(text, "--input-size", int)


def parse_preprocessing(
    preset: str | None,
    scale: str | None,
    mean: str | None,
    std: str | None,
    channel_order: str | None,
) -> dict[str, Any]:
    """Return what `pellucid.exchange.read` takes, of what was typed.

    Raises
    ------
    ExchangeError
        If numbers were wanted and none came.
    """
    typed = {"scale": scale, "mean": mean, "std": std}
    numbers = {
        name: parse_numbers(text, f"--{name}", _fraction)
        for name, text in typed.items()
        if text is not None
    }
    return {"preprocessing": preset, "channel_order": channel_order, **numbers}


def parse_numbers(
    text: str, option: str, kind: Callable[[str], Any]
) -> tuple[Any, ...]:
    """Return numbers that are separated by commas; ExchangeError if they are none."""
    try:
        return tuple(kind(part.strip()) for part in text.split(","))
    except (ValueError, ZeroDivisionError, OverflowError) as error:
        raise ExchangeError(
            f"import: {option} must be numbers separated by commas; got {text!r}."
        ) from error


def _fraction(text: str) -> float:
    """Return a number such as 0.5, 1e-3 or 1/255."""
    return float(Fraction(text.replace(" ", "")))


def say_preprocessing(model: Model) -> None:
    """Say where it is not known how pixels become input, and what to give."""
    shape = model.network.input_shape
    if model.preprocessing.is_known or len(shape) != 3 or shape[2] not in (1, 3):
        return
    say(
        "The file does not say how pixels become input, so pictures will be refused. "
        "Say it with --preset, or --scale, --mean and --std."
    )
