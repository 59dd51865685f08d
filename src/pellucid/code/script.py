"""Write a network as a script with the file of its weights."""

from __future__ import annotations

import ast
import importlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from pellucid.code.script_spec import ScriptSpec
from pellucid.engines.integer_networks import refuse_integers
from pellucid.errors import RunError
from pellucid.network import Network, Preprocessing
from pellucid.runs.recipe import Recipe
from pellucid.runs.tensor_file import tensor_bytes
from pellucid.storage import write_together

Array = npt.NDArray[Any]
FRAMEWORKS = ("numpy", "torch", "keras", "jax")


@dataclass(frozen=True, slots=True)
class Script:
    """A stand-alone script and its weights.

    Parameters
    ----------
    text : str
        Python, formatted.
    weights_file : str or None
        Name of the file that the script reads its weights from.
    weights : mapping of str to ndarray
        What that file holds, under the framework's names and in its layouts.
    """

    text: str
    weights_file: str | None
    weights: Mapping[str, Array]

    @property
    def imported(self) -> set[str]:
        """The modules that the script imports, by their first names."""
        found: set[str] = set()
        for statement in ast.walk(ast.parse(self.text)):
            if isinstance(statement, ast.Import):
                found |= {name.name.partition(".")[0] for name in statement.names}
            elif isinstance(statement, ast.ImportFrom) and statement.module:
                found.add(statement.module.partition(".")[0])
        return found

    def write(self, path: Path) -> tuple[Path, ...]:
        """Write the script, and the weights beside it; return what was written.

        Parameters
        ----------
        path : Path
            Where the script goes.

        Returns
        -------
        tuple of Path
            The script, and the file of weights if it needs one.

        Raises
        ------
        RunError
            If the script's name is that of a module it imports, or the disk does not
            take it.
        """
        if path.stem in self.imported:
            raise RunError(
                f"code: the script's name must not be that of a module it imports; got "
                f"'{path.name}'. Give it another name."
            )
        contents = {path.name: self.text.encode()}
        if self.weights_file is not None:
            is_npz = not self.weights_file.endswith(".safetensors")
            weights = dict(self.weights)
            contents[self.weights_file] = (
                _npz(weights) if is_npz else tensor_bytes(weights, {})
            )
        write_together(path.parent, contents)
        return tuple(path.with_name(name) for name in contents)


def write_script(
    network: Network,
    framework: str,
    *,
    recipe: Recipe,
    data: str,
    name: str = "",
    weights: Mapping[str, Array] | None = None,
    preprocessing: Preprocessing | None = None,
) -> Script:
    """Write a network as one stand-alone, idiomatic script without pellucid.

    Parameters
    ----------
    network : Network
    framework : {"numpy", "torch", "keras", "jax"}
    recipe : Recipe
        Gives the hyperparameters.
    data : str
        Folder that the script reads unless it is told another.
    name : str
        File name that the script will have; from the network's, if left out.
    weights : mapping of weight name to ndarray, optional
        Where the script begins.
    preprocessing : Preprocessing, optional
        The network's own, or [0, 1], if left out.

    Returns
    -------
    Script

    Raises
    ------
    RunError
        If there is no such framework, or the recipe has what scripts do not.
    UnsupportedLayerError
        If a layer cannot be written exactly.

    Examples
    --------
    >>> from pellucid import recipes
    >>> from pellucid.network import zoo
    >>> recipe = recipes.read("mnist-torch")
    >>> made = write_script(zoo("mnist-torch"), "torch", recipe=recipe, data="mnist")
    >>> "nn.Linear(3136, 128)" in made.text
    True
    """
    if framework not in FRAMEWORKS:
        raise RunError(
            f"code: framework must be one of {', '.join(FRAMEWORKS)}; "
            f"got '{framework}'."
        )
    file = name or file_name(network, framework)
    suffix = ".safetensors" if framework == "torch" else ".npz"
    refuse_integers("code", network)
    spec = ScriptSpec(
        network=network,
        recipe=recipe,
        preprocessing=preprocessing or network.preprocessing or Preprocessing(),
        framework=framework,
        data=data,
        weights_file=None if weights is None else Path(file).stem + suffix,
    )
    spec.check()
    writer = importlib.import_module(f"pellucid.code.{framework}")
    text: str = writer.script(spec, file)
    if weights is None:
        return Script(text, None, {})
    return Script(text, spec.weights_file, writer.weights(spec, weights))


def file_name(network: Network, framework: str) -> str:
    """Return the script's name: ``mnist_torch_keras.py``.

    Parameters
    ----------
    network : Network
        What is trained.
    framework : str
        One of the script's frameworks.

    Returns
    -------
    str
        A valid module name with ``.py``.
    """
    stem = "".join(c if c.isalnum() else "_" for c in network.name).strip("_").lower()
    known = f"{stem or 'network'}_{framework}"
    return f"{stem if stem.endswith(framework) else known}.py"


def _npz(arrays: Mapping[str, Array]) -> bytes:
    import io

    buffer = io.BytesIO()
    np.savez(buffer, allow_pickle=False, **dict(arrays))
    return buffer.getvalue()
