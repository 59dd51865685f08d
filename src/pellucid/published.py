"""Networks of the zoo, with weights from a file where one is given."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, overload

from pellucid.errors import NetworkError
from pellucid.network import Network
from pellucid.network import zoo as describe

if TYPE_CHECKING:
    from pellucid.engines.protocol import Engine
    from pellucid.model import Model
    from pellucid.objectives import Loss, Optimizer


@overload
def zoo(
    name: str,
    *,
    classes: int | None = None,
    input_size: tuple[int, int] | None = None,
) -> Network: ...


@overload
def zoo(
    name: str,
    *,
    weights: str | Path,
    classes: int | None = None,
    input_size: tuple[int, int] | None = None,
    engine: str | Engine = "compiled",
    loss: str | Loss | None = None,
    optimizer: str | Optimizer | None = None,
) -> Model: ...


def zoo(
    name: str,
    *,
    weights: str | Path | None = None,
    classes: int | None = None,
    input_size: tuple[int, int] | None = None,
    engine: str | Engine | None = None,
    loss: str | Loss | None = None,
    optimizer: str | Optimizer | None = None,
) -> Network | Model:
    """Return a network that comes with pellucid, or a model with a file's weights.

    Parameters
    ----------
    name : str
        With a recipe: lenet5, mnist-fast, mnist-keras, mnist-torch, resnet20,
        xor-one-hidden, xor-two-hidden. Published architectures, untrained:
        convnext-atto, densenet121, ds-cnn, efficientnet-b0, mobilenet-v1,
        mobilenet-v2, mobilenet-v3-small, resnet8, resnet18, resnet34, resnet50,
        squeezenet, tiny-yolo, unet, vgg11, vit-tiny.
    weights : path, optional
        A PyTorch `state_dict` or checkpoint, a ``.safetensors`` with PyTorch's names
        (torchvision's and timm's files), or a Keras ``.h5``.
    classes : int, optional
        How many the head tells apart, in the file, too. To put another head on
        published weights, take `Model.transfer`.
    input_size : (int, int), optional
        Height and width of the input, where not as published.
    engine : str or Engine, optional
        Where the model runs; compiled if left out.
    loss, optimizer : str or Loss or Optimizer, optional
        To train the model on.

    Returns
    -------
    Network or Model
        A new description; with ``weights`` a model.

    Raises
    ------
    NetworkError
        If there is none of that name, or it cannot have that many classes.
    ExchangeError
        If the file is damaged, or its weights are not the network's.

    Examples
    --------
    >>> zoo("mnist-torch").parameter_count
    421642
    >>> zoo("resnet18", classes=5).output_shape
    (5,)
    """
    network = describe(name, classes=classes, input_size=input_size)
    if weights is not None:
        from pellucid.exchange import read  # slow to import; only weights need it

        return read(
            weights,
            network=network,
            engine="compiled" if engine is None else engine,
            loss=loss,
            optimizer=optimizer,
        )
    given = {"engine": engine, "loss": loss, "optimizer": optimizer}
    extra = [key for key, value in given.items() if value is not None]
    if extra:
        raise NetworkError(
            f"zoo: {', '.join(extra)} must be given with weights, which make a model; "
            "got no weights. Or make one: Model(zoo(name), engine=…)."
        )
    return network
