"""Request bodies of the studio's page."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from pellucid.studio.live_training import EngineName


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid")


_Image = Annotated[str, Field(max_length=4_000_000)]
_Name = Annotated[str, Field(max_length=200)]


class ImageRequest(_Body):
    """An image that the page holds, as base64 of its pixels; of several by name."""

    image: _Image | dict[_Name, _Image]


class PartsRequest(_Body):
    """The inputs that the page holds, by name; zeros stand for those left out."""

    image: dict[_Name, _Image]


class Values(_Body):
    """An input that is no picture; its name, where there are several."""

    values: Annotated[list[float], Field(max_length=100_000)]
    of_input: _Name | None = None


class NodeRequest(ImageRequest):
    """A node of the network, looking at an image."""

    node: _Name


class MapsRequest(ImageRequest):
    """Several nodes, and how many channels of each are shown."""

    nodes: Annotated[list[str], Field(max_length=500)]
    channels: Annotated[int, Field(ge=1, le=64)] = 16


class NodeGradientRequest(NodeRequest):
    """A node, and the class whose derivative, or loss, is asked for."""

    of_class: int | None = None
    of_output: _Name | None = None


class ElementRequest(NodeGradientRequest):
    """A place in a node's output."""

    at: Annotated[list[int], Field(max_length=4)] | None = None


class ElementGradientRequest(NodeGradientRequest):
    """A place, and the class whose derivative is asked for."""

    at: Annotated[list[int], Field(max_length=4)]


class MapRequest(ImageRequest):
    """An image, and which map of it."""

    kind: Literal[
        "grad-cam",
        "guided-backpropagation",
        "integrated-gradients",
        "occlusion",
        "saliency",
    ]
    of_class: int | None = None
    of_output: _Name | None = None
    of_input: _Name | None = None


class PatchesRequest(_Body):
    """A node's channel, or a unit of a vector."""

    node: _Name
    channel: Annotated[int, Field(ge=0)]


class WalkRequest(ImageRequest):
    """An image, its right answer (or the network's own), and of which output."""

    label: int | Annotated[float, Field(allow_inf_nan=False)] | None = None
    of_output: _Name | None = None


class ComparisonRequest(ImageRequest):
    """An image, and the engine that looks at it."""

    engine: EngineName


class NetworkRequest(_Body):
    """A network as JSON."""

    network: dict[str, Any]


class ScriptRequest(NetworkRequest):
    """A network as JSON, for a framework, with a recipe's hyperparameters."""

    framework: Literal["numpy", "torch", "keras", "jax"]
    recipe: Annotated[str, Field(pattern="^[a-z0-9-]{1,40}$")]
