"""Kernels and the LLVM module that they are compiled in."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from typing import Any

from llvmlite import ir

from pellucid.engines.compiled.codegen.builder import Builder
from pellucid.engines.compiled.codegen.types import ELEMENTS, F32, I64, PTR, VOID
from pellucid.engines.compiled.codegen.values import Number, Pointer, Value

_KINDS: dict[str, ir.Type] = {"n": I64, "x": F32, "p": PTR}


@dataclass(frozen=True)
class Kernel:
    """A compiled loop: its name, its parameters and what writes its body.

    ``parameters`` maps names to "f32*", "i8*", "i32*", "i64*" (arrays that do not
    overlap), "n" (a 64-bit integer), "x" (a float) or "p" (any address).
    ``is_written_out`` says that its inner loops are long runs of vector code already,
    for which few of LLVM's passes do; ``is_of_plan`` that it is made for one plan, and
    not by a spec alone. ``form`` is that of `sized`.
    """

    name: str
    parameters: tuple[tuple[str, str], ...]
    body: Callable[..., None]
    is_written_out: bool = False
    is_of_plan: bool = False
    form: Callable[[Builder, Any], Any] | None = None

    def divided(self, b: Builder, spec: Any) -> tuple[Any, list[Number]]:
        """Return what of a spec is written into the code, and what calls pass on."""
        if self.form is None:
            return spec, []
        form = self.form(b, spec)
        names = _numbers(form)
        return replace(form, **dict.fromkeys(names, 0)), [
            getattr(form, name) for name in names
        ]


def _numbers(form: Any) -> list[str]:
    """Return the fields of a form that come when the kernel is called."""
    return [field.name for field in fields(form) if field.type == "Number"]


def kernel(**parameters: str) -> Callable[[Callable[..., None]], Kernel]:
    """Make a kernel of a function (b, *parameters, spec) that writes its body."""

    def wrap(body: Callable[..., None]) -> Kernel:
        return Kernel(body.__name__, tuple(parameters.items()), body)

    return wrap


def written_out(made: Kernel) -> Kernel:
    """Return the kernel, said to need few passes."""
    return replace(made, is_written_out=True)


def sized(form: Callable[[Builder, Any], Any]) -> Callable[[Kernel], Kernel]:
    """Let one function do for many sizes.

    ``form`` makes of a spec the dataclass that the kernel reads; the builder tells it
    lanes and registers. Fields annotated
    `Number` are passed on by each call, behind the other arguments; the others are
    constants of the code.
    """
    return lambda made: replace(made, form=form)


def in_parts(whole: Kernel) -> Kernel:
    """Return a kernel that makes units ``first`` to ``last`` of its work.

    What a unit is (a row, a block of outputs) the kernel says, whose function takes
    ``part``, a pair (first, last), beside its other arguments.
    """

    def body(b: Builder, *arguments: Any, spec: Any) -> None:
        *own, first, last = arguments
        whole.body(b, *own, spec=spec, part=(first, last))

    return Kernel(
        f"{whole.name}_part",
        (*whole.parameters, ("first", "n"), ("last", "n")),
        body,
        whole.is_written_out,
        form=whole.form,
    )


def symbol_of(kernel: Kernel, spec: Any) -> str:
    """Return the name of a kernel's function, the same in every plan."""
    digest = hashlib.blake2b(repr(spec).encode(), digest_size=12)
    return f"{kernel.name}.{digest.hexdigest()}"


def _kinds(kernel: Kernel, form: Any) -> list[ir.Type]:
    kinds = [_KINDS.get(kind, PTR) for _, kind in kernel.parameters]
    return kinds + [I64] * (len(_numbers(form)) if kernel.form else 0)


class KernelModule:
    """One module of LLVM: kernels, each made once per spec, and what they call.

    Parameters
    ----------
    lanes, registers : int
    is_x86 : bool
        Of the processor.
    is_wasm : bool
        Whether threads sleep and wake by WebAssembly's instructions.
    is_alone : bool
        Whether what is called has a module of its own: it is declared here, and stands
        in `calls`.

    Attributes
    ----------
    calls : dict
        Symbol → kernel and spec.
    """

    def __init__(
        self,
        *,
        lanes: int,
        registers: int,
        is_x86: bool,
        is_wasm: bool = False,
        is_alone: bool = False,
    ) -> None:
        self.lanes, self.registers, self.is_x86 = lanes, registers, is_x86
        self.is_wasm, self._is_alone = is_wasm, is_alone
        self.calls: dict[str, tuple[Kernel, Any]] = {}
        self.module = ir.Module("pellucid")
        self._made: dict[tuple[str, Any], ir.Function] = {}
        self._declared: dict[str, ir.Function] = {}
        self.written_out: set[str] = set()

    def declare(self, name: str, result: ir.Type, kinds: list[ir.Type]) -> ir.Function:
        """Return a function that lives elsewhere: in LLVM or in the C library."""
        if name not in self._declared:
            signature = ir.FunctionType(result, kinds)
            self._declared[name] = ir.Function(self.module, signature, name)
        return self._declared[name]

    def function(self, kernel: Kernel, spec: Any) -> ir.Function:
        """Return the kernel's function for one spec (anything hashable).

        Of a `sized` kernel it is the part that `Kernel.divided` returns first.
        """
        key = (kernel.name, spec)
        is_elsewhere = self._is_alone and not kernel.is_of_plan
        if key not in self._made and is_elsewhere:
            symbol = symbol_of(kernel, spec)
            self.calls[symbol] = kernel, spec
            kinds = _kinds(kernel, spec)
            self._made[key] = self.declare(symbol, VOID, kinds)
        elif key not in self._made:
            self._made[key] = self.define(
                f"{kernel.name}.{len(self._made)}", kernel, spec, internal=True
            )
        return self._made[key]

    def define(
        self, name: str, kernel: Kernel, spec: Any, *, internal: bool = False
    ) -> ir.Function:
        """Write a kernel's function under a name of its own."""
        kind = ir.FunctionType(VOID, _kinds(kernel, spec))
        function = ir.Function(self.module, kind, name)
        if kernel.is_written_out:
            self.written_out.add(name)
        if internal:
            function.linkage = "internal"
            function.attributes.add("noinline")
        function.attributes.add("nounwind")
        b = Builder(self, function)
        arguments: list[Value | Pointer] = []
        own = function.args[: len(kernel.parameters)]
        for (label, kind), argument in zip(kernel.parameters, own, strict=True):
            argument.name = label
            if kind.endswith("*"):
                argument.add_attribute("noalias")
                pointer = Pointer(b, argument, ELEMENTS[kind.rstrip("*")])
                arguments.append(pointer)
            else:
                arguments.append(Value(b, argument))
        if kernel.form:
            numbers = zip(_numbers(spec), function.args[len(own) :], strict=True)
            spec = replace(spec, **{name: Value(b, at) for name, at in numbers})
        kernel.body(b, *arguments, spec=spec)
        b.finish()
        return function
