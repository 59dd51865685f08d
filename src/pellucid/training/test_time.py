"""Test-time augmentation: the mean output over views of each image."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from pellucid.engines.ports import join, split
from pellucid.engines.protocol import Arrays, Session
from pellucid.errors import NetworkError
from pellucid.network import Network
from pellucid.network.checks import is_int

Array = npt.NDArray[Any]
_IMAGE = 3  # axes of one


@dataclass(frozen=True, slots=True, kw_only=True)
class TestTimeAugment:
    """Views of an image whose outputs are averaged.

    Parameters
    ----------
    flip : bool
        Its mirror image, too.
    shift : int
        The image moved by this many pixels to the top left, and to the bottom right,
        mirrored at its outermost pixels; they count half, as K. Jordan has it.

    Raises
    ------
    NetworkError
        If shift is no int of at least 0, or there is only the image itself.

    References
    ----------
    K. Jordan, 94% on CIFAR-10 in 3.29 seconds on a single GPU, arXiv:2404.00498, 2024,
    section 3.6.
    """

    __test__ = False  # it is no test of pytest's

    flip: bool = True
    shift: int = 0

    def __post_init__(self) -> None:
        if not is_int(self.shift) or self.shift < 0:
            raise NetworkError(
                "TestTimeAugment: shift must be an int of at least 0; "
                f"got shift={self.shift!r}."
            )
        if not self.flip and not self.shift:
            raise NetworkError(
                "TestTimeAugment: flip or shift must be given; got neither."
            )

    @property
    def words(self) -> str:
        """What is done to an image: ``mirrored, moved by 1 px``."""
        moved = f"moved by {self.shift} px"
        return ", ".join(["mirrored"] * self.flip + [moved] * bool(self.shift))

    def views(self, images: Array) -> Iterator[tuple[float, bool, Array]]:
        """Yield each view's weight, whether it is mirrored, and its images.

        Parameters
        ----------
        images : ndarray, shape (N, H, W, C)
            As the network takes them.

        Yields
        ------
        tuple
            Weights add up to 1.
        """
        moved = [(1.0, images)]
        if self.shift:
            n, (rows, columns) = self.shift, images.shape[1:3]
            padded = np.pad(images, ((0, 0), (n, n), (n, n), (0, 0)), mode="reflect")
            corners = [padded[:, i : i + rows, i : i + columns] for i in (0, 2 * n)]
            moved = [(0.5, images), *((0.25, corner) for corner in corners)]
        for weight, view in moved:
            if self.flip:
                yield weight / 2, False, view
                yield weight / 2, True, view[:, :, ::-1]
            else:
                yield weight, False, view


class TestTimeSession:
    """A session whose outputs are means over views.

    Parameters
    ----------
    session : Session
        Of a network that takes at least one image. All images of an example are seen
        alike; other inputs stay as they are.
    network : Network
        Its network.
    views : TestTimeAugment
        What is averaged.

    Raises
    ------
    NetworkError
        If no input is an image, or views are moved out of one, or at all where an
        output says something of each pixel, or mirrored where one is a sequence.
    """

    __test__ = False

    def __init__(
        self, session: Session, network: Network, views: TestTimeAugment
    ) -> None:
        shapes = [network.shapes[name] for name in network.inputs]
        images = [shape for shape in shapes if len(shape) == _IMAGE]
        if not images:
            raise NetworkError(
                "TestTimeAugment: the network must take images; got input shape "
                f"{', '.join(map(str, shapes))}."
            )
        for shape in images:
            if views.shift >= min(shape[:2]):
                raise NetworkError(
                    "TestTimeAugment: shift must be less than the image's height and "
                    f"width; got shift={views.shift} for input {shape}."
                )
        for name in network.outputs:
            axes = len(network.shapes[name])
            if views.shift and axes > 1:
                raise NetworkError(
                    "TestTimeAugment: shift must be 0 where each pixel has an output; "
                    f"got shift={views.shift} for '{name}'."
                )
            if views.flip and axes == _IMAGE - 1:
                raise NetworkError(
                    "TestTimeAugment: flip must be False where an output is a "
                    f"sequence, for which no mirror is known; got '{name}' of shape "
                    f"{network.shapes[name]}."
                )
        self._session, self._network, self._views = session, network, views

    def __getattr__(self, name: str) -> Any:
        return getattr(self._session, name)

    def predict(self, images: Arrays) -> Any:
        """Return the mean output, shape (N, …); of pixels, where they were."""
        outputs = self._network.outputs

        def compute(x: Arrays) -> dict[str, Array]:
            found = split("output", outputs, self._session.predict(x))
            return dict(zip(outputs, found, strict=True))

        means = self._mean(images, compute)
        return join([means[name] for name in outputs])

    def activations(
        self, images: Arrays, *, training: bool = False
    ) -> dict[str, Array]:
        """Return the mean of each node's values."""
        session = self._session
        return self._mean(images, lambda x: session.activations(x, training=training))

    def _mean(
        self, images: Arrays, compute: Callable[[Arrays], dict[str, Array]]
    ) -> dict[str, Array]:
        sums: dict[str, Array] = {}
        for weight, is_mirrored, view in self._seen(images):
            for name, values in compute(view).items():
                is_turned = is_mirrored and values.ndim == 1 + _IMAGE
                back = values[:, :, ::-1] if is_turned else values
                part = np.asarray(weight, values.dtype) * back
                sums[name] = sums[name] + part if name in sums else part
        return sums

    def _seen(self, images: Arrays) -> Iterator[tuple[float, bool, Any]]:
        """Yield each view's weight, whether it is mirrored, and all inputs."""
        arrays = split("images", self._network.inputs, images)
        looks = [self._views.views(x) for x in arrays if x.ndim == 1 + _IMAGE]
        for several in zip(*looks, strict=True):
            weight, is_mirrored, _ = several[0]
            left = iter(several)
            views = [
                np.ascontiguousarray(next(left)[2]) if x.ndim == 1 + _IMAGE else x
                for x in arrays
            ]
            yield weight, is_mirrored, join(views)
