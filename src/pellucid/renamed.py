"""Modules of 0.1 under their former names, for one version.

`import pellucid` installs a finder behind Python's own: only an import that would fail
comes here. A former name gives the very module that took its place, with a
`DeprecationWarning`.
"""

from __future__ import annotations

import importlib
import sys
import warnings
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

#: former name → name, below `pellucid.`; packages bring their modules along
MODULES = {
    "compare.conduct": "compare.run",
    "compare.conduct.conductor": "compare.run.runner",
    "compare.conduct.station": "benchmark.child_process",
    "compare.conduct.stations": "compare.run.child_processes",
    "compare.parity": "verify",
    "compare.parity.corners": "verify.nonsmooth",
    "compare.parity.hidden": "verify.unobserved_branches",
    "compare.parity.moved": "verify.transfer",
    "compare.parity.picture": "verify.chart",
    "compare.report.choice": "compare.report.recommendation",
    "compare.report.opening": "compare.report.summary",
    "compare.report.words": "compare.report.format",
    "compare.results.against": "compare.results.changes",
    "compare.results.cell": "compare.results.result",
    "compare.results.steps": "compare.results.scores",
    "compare.results.study_results": "compare.results.results_file",
    "compare.study": "compare.criteria",
    "compare.study.attempts": "compare.methods.attempts",
    "compare.study.cell": "compare.worker",
    "compare.study.control_flow": "compare.methods.control_flow",
    "compare.study.energy": "compare.methods.energy",
    "compare.study.exports": "compare.methods.exports",
    "compare.study.figure": "compare.measurement",
    "compare.study.held": "compare.methods.cpu_affinity",
    "compare.study.job": "compare.methods.distributed_job",
    "compare.study.languages": "compare.methods.languages",
    "compare.study.modes": "compare.methods.modes",
    "compare.study.paths": "compare.methods.paths",
    "compare.study.peers": "benchmark.contenders",
    "compare.study.pellucid_program": "compare.methods.pellucid_program",
    "compare.study.refusal": "compare.methods.failure",
    "compare.study.row": "compare.criteria.criterion",
    "compare.study.rows": "compare.criteria",
    "compare.study.scripts": "compare.methods.scripts",
    "compare.study.statistics": "benchmark.statistics",
    "compare.study.subject": "compare.methods.subject",
    "compare.study.task": "compare.task",
    "compare.study.trial": "compare.methods.trial",
    "compare.study.turns": "compare.methods.interleaved",
    "compare.timing": "benchmark",
    "compare.timing.peers": "benchmark.contenders",
    "compare.timing.picture": "benchmark.chart",
    "compare.timing.process": "benchmark.contender_process",
    "compare.timing.quiet": "benchmark.machine_load",
    "compare.timing.summary": "benchmark.statistics",
    "compare.timing.tax": "benchmark.overhead",
    "compare.timing.tax_fit": "benchmark.overhead_fit",
    "data.decoder": "data.decode_worker",
    "data.movements": "data.augment_ops",
    "engines.compiled.cache": "engines.compiled.codegen.cache",
    "engines.compiled.compiler": "engines.compiled.codegen.compiler",
    "engines.compiled.cpu": "engines.compiled.codegen.cpu",
    "engines.compiled.plan.fuse": "engines.compiled.lowering.fuse",
    "engines.compiled.plan.lower": "engines.compiled.lowering.network",
    "engines.compiled.plan.lowering": "engines.compiled.lowering.context",
    "engines.compiled.plan.parameters": "engines.compiled.lowering.parameters",
    "engines.compiled.plan.program": "engines.compiled.program.program",
    "engines.compiled.plan.steps": "engines.compiled.program.program_ir",
    "engines.compiled.plan.text": "engines.compiled.program.text",
    "engines.compiled.tally": "engines.compiled.program.loss_reduction",
    "engines.compiled.workers": "engines.compiled.program.workers",
    "engines.framework": "engines.framework_options",
    "engines.head": "engines.loss_input",
    "engines.jax.world": "engines.jax.distributed",
    "engines.tensorflow.world": "engines.tensorflow.distributed",
    "engines.torch.world": "engines.torch.distributed",
    "engines.world": "engines.distributed",
    "exchange.assembler": "exchange.graph.network_builder",
    "exchange.c": "exchange.codegen.c",
    "exchange.card": "exchange.metadata",
    "exchange.clock": "exchange.runtime_timing",
    "exchange.door": "exchange.api",
    "exchange.int8.quantize": "exchange.int8.quantization",
    "exchange.int8.ranges": "exchange.int8.calibration",
    "exchange.int8.tables": "exchange.litert.integer_tables",
    "exchange.local_response": "exchange.graph.local_response_norm_pattern",
    "exchange.node": "exchange.nodejs",
    "exchange.pixels": "exchange.preprocess",
    "exchange.program": "exchange.codegen.kernel_calls",
    "exchange.proof": "exchange.verify_export",
    "exchange.refusal": "exchange.errors",
    "exchange.steps": "exchange.codegen.memory_plan",
    "exchange.tensor": "exchange.graph.tensor",
    "exchange.tiles": "exchange.codegen.weight_packing",
    "explain.gradient_check": "verify.gradient_check",
    "explain.kinks": "verify.nonsmooth",
    "model.beginning": "model.run_setup",
    "model.fitting": "model.fit",
    "model.handle": "model.model",
    "recipes.changes": "recipes.overrides",
    "recipes.examples": "recipes.datasets",
    "recipes.parts": "recipes.builders",
    "engines.torch.layout": "engines.framework_layers.torch_layout",
    "serving.connection": "serving.http_protocol",
    "serving.control": "serving.management",
    "serving.described": "serving.model_metadata",
    "serving.front": "serving.asgi",
    "serving.guard": "serving.security",
    "serving.late": "serving.lazy_app",
    "serving.plain": "serving.image_predict",
    "serving.refusal": "serving.errors",
    "serving.rest": "serving.fastapi_app",
    "serving.rpc.absent": "serving.rpc.unimplemented",
    "serving.rpc.listening": "serving.rpc.grpc_server",
    "serving.served": "serving.served_model",
    "serving.studio": "studio",
    "serving.studio.bodies": "studio.schemas",
    "serving.studio.building": "studio.network_editor",
    "serving.studio.comparing": "studio.engine_comparison",
    "serving.studio.field": "network.receptive_field",
    "studio.receptive_field": "network.receptive_field",
    "serving.studio.gate": "studio.pause_control",
    "serving.studio.inside": "studio.inspection",
    "serving.studio.lesson": "studio.live_training",
    "serving.studio.workbench": "studio.shared_model",
    "training.position": "training.trainer_state",
    "training.together": "training.distributed_sync",
}


class RenamedFinder:
    """Find modules by the names that they had in 0.1."""

    def find_spec(
        self,
        fullname: str,
        path: Sequence[str] | None,
        target: ModuleType | None = None,
    ) -> ModuleSpec | None:
        """Return a spec whose module is the renamed one; None for any other name."""
        del path, target
        new = current_name(fullname)
        if new is None:
            return None
        loader: Any = _Loader(new)  # no subclass: importlib.abc is slow to import
        return ModuleSpec(fullname, loader)


class _Loader:
    def __init__(self, new: str) -> None:
        self._new = new

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        warnings.warn(
            f"{spec.name} is {self._new} now; the former name goes with the next "
            "version.",
            DeprecationWarning,
            stacklevel=2,
        )
        module = importlib.import_module(self._new)
        self._spec = module.__spec__
        return module

    def exec_module(self, module: ModuleType) -> None:
        module.__spec__ = self._spec  # the import system has put the former name there


def current_name(fullname: str) -> str | None:
    """Return the present name of a module of 0.1, or None if it has not changed."""
    prefix, _, rest = fullname.partition(".")
    if prefix != "pellucid":
        return None
    parts = rest.split(".")
    for length in range(len(parts), 0, -1):
        new = MODULES.get(".".join(parts[:length]))
        if new is not None:
            return ".".join(["pellucid", new, *parts[length:]])
    return None


def former_names(module: str, names: dict[str, str]) -> Callable[[str], Any]:
    """Return a module's `__getattr__` (PEP 562) that serves its public names of 0.1.

    Parameters
    ----------
    module : str
        The module's name.
    names : dict
        Former name → name of today: in that module, or dotted where it has moved.
    """

    def find(name: str) -> Any:
        if name not in names:
            raise AttributeError(f"module {module!r} has no attribute {name!r}")
        home, _, current = names[name].rpartition(".")
        home = home or module
        warnings.warn(
            f"{module}.{name} is now {home}.{current}; the former name goes with the "
            "next version.",
            DeprecationWarning,
            stacklevel=2,
        )
        return getattr(importlib.import_module(home), current)

    return find


def install() -> None:
    """Append the finder, once."""
    if not any(isinstance(found, RenamedFinder) for found in sys.meta_path):
        finder: Any = RenamedFinder()
        sys.meta_path.append(finder)
