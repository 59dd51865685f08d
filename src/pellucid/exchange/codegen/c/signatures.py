"""Functions of generated C: their parameters, and what the header says of them."""

from __future__ import annotations

from pellucid.exchange.codegen.c import text
from pellucid.exchange.codegen.pixels import describe_pixels
from pellucid.exchange.codegen.ports import Port
from pellucid.network import Preprocessing

#: inputs and outputs
Ports = tuple[list[Port], list[Port]]
_MOST = 88  # characters of a line


def predict_signature(prefix: str, ports: Ports, kind: str) -> str:
    """Return the function of arrays of ``kind``, broken where it is long."""
    inputs, outputs = ports
    arguments = [f"const {kind} *{port.argument}" for port in inputs]
    return _signature(f"void {prefix}_predict(", arguments, outputs, kind)


def pixels_signature(prefix: str, outputs: list[Port], kind: str) -> str:
    """Return the function that takes bytes 0 ... 255."""
    arguments = ["const unsigned char *pixels"]
    return _signature(f"void {prefix}_predict_pixels(", arguments, outputs, kind)


def _signature(head: str, arguments: list[str], outputs: list[Port], kind: str) -> str:
    names = [*(port.argument for port in outputs), "workspace"]
    arguments = [*arguments, *(f"{kind} *{name}" for name in names)]
    whole = f"{head}{', '.join(arguments)})"
    return whole if len(whole) < _MOST else text.break_signature(head, arguments)


def describe_functions(prefix: str, ports: Ports, how: Preprocessing, what: str) -> str:
    """Return what a header says of them; ``what`` the numbers are, as ``floats``."""
    inputs, outputs = ports
    pixels = f"   inputs are {what}, scaled as in training"
    if len(inputs) == 1:
        pixels = describe_pixels(prefix, how)
    if len(inputs) == len(outputs) == 1:
        takes, gives = (text.format_shape(side[0].shape) for side in ports)
        about, end = f"one image of {what}, {takes}", f"output has {gives} numbers; "
    else:
        about, end = f"one example of {what}", ""
        rows = [
            f"   {port.argument}: {text.format_shape(port.shape)}\n"
            for port in (*inputs, *outputs)
        ]
        pixels = f"{pixels}\n\n{''.join(rows).rstrip()}"
    return f"""   {prefix}_predict         {about}, channels fastest
{pixels}

   {end}workspace is yours, one a thread, and need
   not be cleared. Nothing is allocated and nothing global is changed."""
