"""`pellucid explain` without --node: attributions and the overview."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pellucid.cli.output import answer, emit, say, table

if TYPE_CHECKING:
    from pellucid.explain import Map
    from pellucid.model import Model


def draw_attribution(
    model: Model,
    pixels: Any,
    kind: str,
    path: Path,
    which: Mapping[str, Any],
    *,
    json: bool,
) -> None:
    """Save a picture of which pixels matter, and name the strongest.

    Of several inputs a picture for each, with the input's name in its own.
    """
    from pellucid.explain import attribute, attribution_picture
    from pellucid.explain.ports import output_name
    from pellucid.model.ports import output_meaning_of
    from pellucid.runs.picture import save_figure

    inputs = model.network.inputs
    meaning = output_meaning_of(model, output_name(model, which["of_output"]))
    names = meaning.class_names(model.classes) or meaning.column_names(model.classes)
    for source in inputs:
        found = attribute(model, pixels, kind, **which, of_input=source)
        is_class = found.of_class < len(names)
        title = f"{kind} for {names[found.of_class] if is_class else found.of_class}"
        if len(inputs) > 1:
            title += f" of {source}"
        own = path if len(inputs) == 1 else path.with_stem(f"{path.stem}-{source}")
        drawn = attribution_picture(model, pixels, found, title, of_input=source)
        save_figure(drawn, own)
        if json:
            several = {"input": source} if len(inputs) > 1 else {}
            emit(
                {
                    "attribution": kind,
                    **several,
                    "class": found.of_class,
                    "values": found.values.tolist(),
                    "picture": str(own),
                }
            )
            continue
        what = "pixel" if len(model.network.shapes[source]) == 3 else "input"
        answer(f"{title}: {_summarize(found, what)}")
        say(f"Saved in {own}")


def _summarize(found: Map, what: str) -> str:
    """Return an attribution's range, sum and strongest place in words."""
    import numpy as np

    at = np.unravel_index(int(np.abs(found.values).argmax()), found.values.shape)
    place = ",".join(str(int(i)) for i in at)
    return (
        f"from {found.values.min():.4g} to {found.values.max():.4g}, "
        f"sum {found.values.sum():.4g}; strongest at {what} {place}"
    )


def draw_overview(
    model: Model,
    pixels: Any,
    path: Path,
    which: Mapping[str, Any],
    *,
    json: bool,
) -> None:
    """Save the picture and list the nodes with their ranges."""
    from pellucid.cli.prediction import Output, prediction_sentence
    from pellucid.engines.ports import join
    from pellucid.explain import picture
    from pellucid.explain.ports import one_example, predict_outputs
    from pellucid.network.layers import operation_of
    from pellucid.network.receptive_field import extent
    from pellucid.runs.picture import save_figure

    save_figure(picture(model, pixels, **which), path)
    example = one_example(model, pixels)
    found = model.activations(join(example))
    nodes: list[dict[str, Any]] = [
        {
            "node": node.name,
            "layer": type(operation_of(node.layer)).__name__,
            "shape": list(found[node.name].shape[1:]),
            "receptive_field": extent(model.network, node.name),
            "min": float(found[node.name].min()),
            "mean": float(found[node.name].mean()),
            "max": float(found[node.name].max()),
        }
        for node in model.network.nodes
    ]
    outputs = predict_outputs(model, example)
    if json:
        lists = {name: values[0].tolist() for name, values in outputs.items()}
        only = {"output": next(iter(lists.values()))}
        shown = only if len(lists) == 1 else {"outputs": lists}
        emit({"picture": str(path), **shown, "nodes": nodes})
        return
    numbers = ("min", "mean", "max")
    head = {"shape": "shape", "receptive_field": "receptive field"}
    if not any(entry["receptive_field"] for entry in nodes):  # no picture
        del head["receptive_field"]
    rows = [
        (
            entry["node"],
            entry["layer"],
            *("×".join(map(str, entry[key] or ())) for key in head),
            *(f"{entry[key]:.4g}" for key in numbers),
        )
        for entry in nodes
    ]
    columns = ("node", "layer", *head.values(), *numbers)
    answer(table(columns, rows, numbers=numbers))
    answer("")
    for name, values in outputs.items():
        sentence = prediction_sentence(Output.of(model, name), values[0])
        answer(sentence if len(outputs) == 1 else f"{name}: {sentence}")
    say(f"Node outputs and saliency saved in {path}")
