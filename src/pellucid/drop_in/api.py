"""`compile`: a drop-in for somebody's own model."""

from __future__ import annotations

from typing import Any

from pellucid.errors import ExchangeError
from pellucid.exchange.keras_objects import is_keras
from pellucid.exchange.torch_objects import is_torch


def compile(
    model: Any,
    *,
    example: Any = None,
    loss: Any = None,
    optimizer: Any = None,
    threads: int | None = None,
    partial: bool = False,
) -> Any:
    """Return a drop-in for a PyTorch or Keras model that runs on the compiled engine.

    Parameters
    ----------
    model : torch.nn.Module or keras.Model
        A module takes float32 tensors (N, …) on the CPU, one or several, and returns
        tensors, one or several in a tuple, a list or a dict. A Keras model, on any of
        its backends, is Sequential or functional, and comes with ``threads`` alone:
        loss, optimizer and metrics are those of its ``compile``.
    example : Tensor or tuple of Tensor, optional
        Inputs like those to come; what cannot run is then refused at once, and
        otherwise when the first input comes.
    loss : module or function of PyTorch, optional
        What `train_step` makes small: ``nn.CrossEntropyLoss``, ``nn.NLLLoss``,
        ``nn.BCEWithLogitsLoss``, ``nn.BCELoss`` or ``nn.MSELoss``, or the function of
        the same name in ``torch.nn.functional``. Of several outputs one for each, as
        the module returns them; their sum is made small, and None stands for an
        output that is not trained.
    optimizer : torch.optim.Optimizer, optional
        ``SGD``, ``Adam``, ``AdamW`` or ``RMSprop`` over the module's parameters; its
        learning rate is read anew for each step, so schedulers work.
    threads : int, optional
        Workers; as many as there are physical cores where it is left out.
    partial : bool
        Where the whole module cannot run, let the largest of its parts run that can,
        and the rest on PyTorch; a line on stderr says which. Needs ``example``.

    Returns
    -------
    torch.nn.Module or keras.Model
        Of the model's class. A module has the same parameters and buffers: the same
        tensors, names and ``state_dict``; its mode is its own, the module's stays. A
        Keras model shares all attributes with the one that was given.

    Raises
    ------
    ExchangeError
        If the model is of another kind, or something in it has no exact counterpart;
        operators are named.

    Notes
    -----
    Tensors and the engine's weights lie in different orders, so they are copied at
    defined moments. Before each call, tensors that have changed are copied to the
    engine; a change is seen by the tensor's version, so not one by ``tensor.data``:
    call ``synchronize`` after such. After each call in training mode running
    statistics are copied back. `train_step` leaves weights and the optimizer's state
    in the engine until somebody asks: ``state_dict``, ``parameters``, ``buffers``,
    ``train``, ``eval``, a call, the optimizer's ``state_dict`` or ``step``, or
    ``synchronize``.

    A Keras model's variables and those of its optimizer are copied back after each
    epoch, after ``fit``, and before the drop-in is asked for them.

    Dropout draws the engine's masks, not the framework's: from
    ``torch.initial_seed()``, or from the seed of the first layer of Keras that draws.
    """
    if is_keras(model):
        given = {"example": example, "loss": loss, "optimizer": optimizer}
        if partial or any(value is not None for value in given.values()):
            raise ExchangeError(
                "compile: a Keras model must come without example, loss, optimizer "
                "and partial; got some. Loss and optimizer are those of its compile()."
            )
        from pellucid.drop_in.keras.model import make_drop_in as make_keras_drop_in

        return make_keras_drop_in(model, threads)
    if not is_torch(model) or not hasattr(model, "named_parameters"):
        raise ExchangeError(
            "compile: model must be a torch.nn.Module or a keras.Model; got "
            f"{type(model).__module__}.{type(model).__name__}."
        )
    if partial:
        if loss is not None or optimizer is not None:
            raise ExchangeError(
                "compile: partial=True must come without loss and optimizer; got them."
            )
        from pellucid.drop_in.torch.parts import make_partial

        return make_partial(model, example=example, threads=threads)
    from pellucid.drop_in.torch.module import make_drop_in

    return make_drop_in(
        model, example=example, loss=loss, optimizer=optimizer, threads=threads
    )
