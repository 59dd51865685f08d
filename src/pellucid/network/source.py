"""Load a network from the zoo, a JSON file or a Python file."""

from __future__ import annotations

import runpy
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pellucid.errors import NetworkError
from pellucid.network.architectures import ARCHITECTURES
from pellucid.network.codec import loads
from pellucid.network.graph import Network
from pellucid.network.zoo import ZOO, zoo
from pellucid.regular_file import read_regular_text

NETWORK_NAMES = (*ZOO, *ARCHITECTURES)


def load_network(source: str | Path) -> Network:
    """Return the network of that name, ``.json`` file or ``.py`` file.

    A Python file is run, as if by ``python FILE``; it must leave a Network in a
    variable ``network``, or a function of that name which returns one. Take only
    Python files that you trust; JSON runs nothing.

    Parameters
    ----------
    source : str or Path
        A name of the zoo, or a file.

    Returns
    -------
    Network
        The network.

    Raises
    ------
    NetworkError
        If there is no such network or file, or the file holds none.
    """
    path = Path(source)
    if str(source) in NETWORK_NAMES:
        return zoo(str(source))
    if path.suffix not in (".json", ".py"):
        raise NetworkError(
            f"network: must be one of {', '.join(NETWORK_NAMES)}, or a .py or .json "
            f"file; got {str(source)!r}."
        )
    if not path.is_file():
        raise NetworkError(f"network: file must exist; got '{path}'.")
    return _from_python(path) if path.suffix == ".py" else _from_json(path)


def _from_json(path: Path) -> Network:
    try:
        text = read_regular_text(path)
    except (OSError, UnicodeDecodeError) as error:
        raise NetworkError(
            f"network: '{path}' must be readable; got {error}."
        ) from error
    return loads(text)


def _from_python(path: Path) -> Network:
    with _running(path, "network"):
        found = runpy.run_path(str(path), run_name="pellucid_network").get("network")
        is_function = not isinstance(found, Network) and callable(found)
        network = found() if is_function else found  # type: ignore[misc]
    if not isinstance(network, Network):
        raise NetworkError(
            f"network: '{path}' must define a Network named 'network'; "
            f"got {type(network).__name__}."
        )
    return network.renamed(path.stem) if network.name == "network" else network


def run_python(path: Path, who: str) -> dict[str, Any]:
    """Run a Python file that the user named, and return its variables.

    Parameters
    ----------
    path : Path
        The file. It may do anything: take only those that you trust.
    who : str
        What needs it, as its errors begin.

    Returns
    -------
    dict
        Variables by name.

    Raises
    ------
    NetworkError
        If there is no such file, or it ends in an error.
    """
    if not path.is_file():
        raise NetworkError(f"{who}: file must exist; got '{path}'.")
    with _running(path, who):
        return runpy.run_path(str(path), run_name=f"pellucid_{who}")


@contextmanager
def _running(path: Path, who: str) -> Iterator[None]:
    try:
        yield
    except NetworkError:
        raise
    except Exception as error:
        raise NetworkError(
            f"{who}: '{path}' must run without an error; "
            f"got {type(error).__name__}: {error}."
        ) from error
