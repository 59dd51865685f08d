"""Settings of an experiment: points, network, training."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

Problem = Literal["circles", "spirals", "xor"]
Start = Literal["usual", "small", "zeros"]


class Settings(BaseModel):
    """What an experiment trains on which points.

    Parameters
    ----------
    problem : str
        How the two classes lie: a disc in a ring, two arms of a spiral, or XOR's four
        quarters.
    points : int
        Of the training; as many again, at least 200, are the test's.
    noise : float
        Standard deviation that is added to each point.
    hidden : list of int
        Units of each hidden layer.
    activation : str
        After each hidden layer; none for a linear network.
    start : str
        Initial weights: the usual ones, a tenth of them, or zeros.
    batch_norm : bool
        Whether batch norm stands before each activation.
    dropout : float
        Share of the hidden units that is dropped in a step.
    jitter : float
        Augmentation: standard deviation of what is added to the points of a batch.
    optimizer, learning_rate, batch_size, steps, seed
        As everywhere.
    """

    model_config = ConfigDict(extra="forbid")

    problem: Problem = "circles"
    points: Annotated[int, Field(ge=8, le=1000)] = 200
    noise: Annotated[float, Field(ge=0, le=1)] = 0.1
    hidden: Annotated[
        list[Annotated[int, Field(ge=1, le=32)]], Field(min_length=0, max_length=8)
    ] = [8]
    activation: Literal["relu", "tanh", "sigmoid", "none"] = "relu"
    start: Start = "usual"
    batch_norm: bool = False
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.0
    jitter: Annotated[float, Field(ge=0, le=2)] = 0.0
    optimizer: Literal["adam", "sgd"] = "adam"
    learning_rate: Annotated[float, Field(gt=0, le=1000)] = 0.03
    batch_size: Annotated[int, Field(ge=1, le=1000)] = 32
    steps: Annotated[int, Field(ge=1, le=5000)] = 600
    seed: Annotated[int, Field(ge=0, le=1_000_000)] = 0
