"""Preprocessing of known families of networks, and by scale, mean and deviation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final, cast

from pellucid.errors import NetworkError
from pellucid.network.preprocessing import ChannelOrder, Preprocessing

Numbers = float | Sequence[float]

#: of the photographs of ImageNet, red, green and blue in [0, 1]
_MEAN, _STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
_IMAGENET: Final = Preprocessing.standardize(_MEAN, _STD)
_CAFFE: Final = Preprocessing(
    scale=(1.0,) * 3, offset=(-103.939, -116.779, -123.68), channel_order="bgr"
)

PRESETS: Final[dict[str, Preprocessing]] = {
    "imagenet": _IMAGENET,  # torchvision, timm
    "keras-caffe": _CAFFE,  # keras.applications.imagenet_utils, by its modes
    "keras-tf": Preprocessing.signed(),
    "keras-torch": _IMAGENET,
    "raw": Preprocessing.raw(),
    "signed": Preprocessing.signed(),
    "torchvision": _IMAGENET,
    "unit": Preprocessing.unit(),
}


def find_preset(name: str) -> Preprocessing:
    """Return the preprocessing of a family.

    Raises
    ------
    NetworkError
        If there is none of that name.
    """
    if name not in PRESETS:
        raise NetworkError(
            f"Preprocessing: preset must be one of {', '.join(PRESETS)}; got {name!r}."
        )
    return PRESETS[name]


def as_preprocessing(
    given: Preprocessing | str | None = None,
    *,
    scale: Numbers | None = None,
    mean: Numbers | None = None,
    std: Numbers | None = None,
    channel_order: str | None = None,
) -> Preprocessing | None:
    """Return preprocessing from a preset, or from ``(pixel · scale − mean) / std``.

    Parameters
    ----------
    given : Preprocessing or str, optional
        Or a preset's name; then without scale, mean and std.
    scale, mean, std : float or sequence of float, optional
        One number, or one per channel in the network's order; 1/255, 0 and 1 if left
        out.
    channel_order : {"rgb", "bgr"}, optional
        Order in which the network takes the channels.

    Returns
    -------
    Preprocessing or None
        None where nothing is given.

    Raises
    ------
    NetworkError
        If there is no such preset, or the numbers do not go together.
    """
    chosen = find_preset(given) if isinstance(given, str) else given
    is_spelt_out = (scale, mean, std) != (None, None, None)
    if chosen is not None and is_spelt_out:
        raise NetworkError(
            "Preprocessing: it must be given as a whole, or by scale, mean and std; "
            "got both."
        )
    if is_spelt_out:
        chosen = _combine(scale, mean, std)
    if channel_order is None:
        return chosen
    if chosen is None:
        raise NetworkError(
            "Preprocessing: channel_order must come with a preset, or with scale, mean "
            f"and std; got channel_order={channel_order!r} alone."
        )
    return replace(chosen, channel_order=cast("ChannelOrder", channel_order))


def _combine(
    scale: Numbers | None, mean: Numbers | None, std: Numbers | None
) -> Preprocessing:
    means, stds = _as_tuple(0.0 if mean is None else mean), _as_tuple(std or 1.0)
    if scale is None and max(map(abs, (*means, *stds))) > 1:
        raise NetworkError(
            "Preprocessing: mean and std must be of pixels in [0, 1] where no scale is "
            f"given; got mean={means}, std={stds}. Give scale=1 for pixels in 0 … 255."
        )
    scales = _as_tuple(1 / 255 if scale is None else scale)
    if min(stds) <= 0:
        raise NetworkError(f"Preprocessing: std must be positive; got std={stds}.")
    count = max(len(scales), len(means), len(stds))
    if any(len(values) not in (1, count) for values in (scales, means, stds)):
        raise NetworkError(
            "Preprocessing: scale, mean and std must have one number, or one for each "
            f"channel; got {len(scales)}, {len(means)} and {len(stds)}."
        )
    scales, means, stds = (
        values * count if len(values) == 1 else values
        for values in (scales, means, stds)
    )
    return Preprocessing(
        scale=tuple(a / s for a, s in zip(scales, stds, strict=True)),
        offset=tuple(-m / s for m, s in zip(means, stds, strict=True)),
    )


def _as_tuple(values: Numbers) -> tuple[float, ...]:
    if isinstance(values, Sequence):
        return tuple(float(value) for value in values)
    return (float(values),)
