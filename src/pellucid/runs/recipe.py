"""Recipe: everything needed to run a training again."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from pellucid.errors import RunError
from pellucid.network.preprocessing import Colour
from pellucid.regular_file import read_regular_text

_Table = dict[str, Any]
#: of the one output, or of each output
_ClassWeight = dict[str, float] | list[float] | Literal["balanced"]


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=False, frozen=True)


class DataSection(_Section):
    """Where images come from."""

    source: str = "mnist"
    size: tuple[int, int] | None = None
    colour: Colour | None = None
    seed: int = 0
    #: so many images are trained on, each class in proportion, for quick tries
    limit: Annotated[int, Field(ge=1)] | None = None
    #: whether pictures that cannot be read are left out, and named, instead of refused
    skip_broken: bool = False
    #: "python" where arrays were handed to `fit`, "import" where the model came from
    #: elsewhere; such a recipe needs data to be named
    given: str | None = None


class EarlyStoppingSection(_Section):
    """As `pellucid.EarlyStopping`."""

    patience: int = 3
    monitor: str | None = None
    min_delta: float = 0.0
    restore_best: bool = True


class StartSection(_Section):
    """Another model's weights to start from: its file, and the nodes drawn anew."""

    weights: str
    sha256: str
    anew: tuple[str, ...] = ()


class Recipe(_Section):
    """Everything needed to run a training again; unknown keys are refused.

    ``network`` is a name of the zoo, a file, or the network itself as JSON has it.
    """

    schema_version: int = 1
    network: str | _Table
    settings: _Table = Field(default_factory=dict)
    data: DataSection = DataSection()
    engine: str = "compiled"
    engine_options: _Table = Field(default_factory=dict)
    loss: _Table = Field(default_factory=lambda: {"name": "cross_entropy"})
    optimizer: _Table = Field(default_factory=lambda: {"name": "adam"})
    schedule: _Table = Field(default_factory=lambda: {"name": "constant"})
    epochs: int = Field(5, ge=0)
    batch_size: int = Field(64, ge=1)
    validation_split: float = Field(0.0, ge=0, lt=1)
    #: chosen by what the output means where they are left out
    metrics: tuple[str, ...] | None = None
    #: by number or name of the class, one for each in order, or "balanced"
    class_weight: _ClassWeight | dict[str, _ClassWeight] | None = None
    early_stopping: EarlyStoppingSection | None = None
    clip_norm: float | None = Field(None, gt=0)
    augment: _Table | None = None
    average: _Table | None = None
    accumulate: int = Field(1, ge=1)
    sampler: list[float] | dict[str, str] | Literal["balanced"] | None = None
    shuffle: bool = True
    seed: int = Field(0, ge=0)
    dtype: str = "float32"
    preprocessing: _Table | None = None
    start: StartSection | None = None
    #: a first convolution whose weights come from the training images, see `whiten`
    whiten: str | None = None
    #: views that are averaged on the test data, as `TestTimeAugment`
    tta: _Table | None = None
    provenance: _Table = Field(default_factory=dict)

    def to_toml(self) -> str:
        """Return the recipe as TOML; what is left out has its default."""
        import tomli_w

        return tomli_w.dumps(_drop_none(self.model_dump(mode="json")))

    @classmethod
    def parse(cls, document: Any, *, origin: str) -> Recipe:
        """Check a document.

        Raises
        ------
        RunError
            If a key is unknown or a value does not fit, with its place.
        """
        try:
            recipe = cls.model_validate(document)
        except ValidationError as error:
            raise RunError(_describe(error, origin)) from error
        if recipe.schema_version != 1:
            raise RunError(
                f"recipe: schema_version in {origin} must be 1; "
                f"got {recipe.schema_version}."
            )
        return recipe

    @classmethod
    def read(cls, path: Path) -> Recipe:
        """Read a TOML file; RunError if it cannot be read or does not fit."""
        try:
            document = tomllib.loads(read_regular_text(path))
        except Exception as error:  # nested too deep, numbers too long, …
            raise RunError(
                f"recipe: '{path}' must be readable TOML; got "
                f"{' '.join(str(error).split())[:300]}."
            ) from error
        return cls.parse(document, origin=f"'{path}'")


def _describe(error: ValidationError, origin: str) -> str:
    """Return the first thing that is wrong with a document, as a sentence."""
    errors = error.errors()
    first = errors[0]
    place = _place(first) or "recipe"
    got = _shorten(first.get("input"))
    if first["type"] == "extra_forbidden":
        close = get_close_matches(place, list(Recipe.model_fields), n=1)
        hint = f" Did you mean '{close[0]}'?" if close else ""
        if not close and "." not in place:
            hint = f" A layer's setting has its node's name: dense.{place}."
        return (
            f"recipe: '{place}' in {origin} must be a known setting; got {got}.{hint}"
        )
    # a value of one type or another has an error for each of them
    rules = [e["msg"].removeprefix("Input should be ") for e in errors]
    rules = [rule for rule, e in zip(rules, errors, strict=True) if _place(e) == place]
    rules[0] = first["msg"]
    return f"recipe: '{place}' in {origin} must fit; got {got} ({', or '.join(rules)})."


def _place(error: Mapping[str, Any]) -> str:
    """Return the keys that lead to an error, without types such as list[float]."""
    parts = (str(part) for part in error["loc"])
    return ".".join(part for part in parts if not part.endswith("]"))


def _shorten(value: Any) -> str:
    """Return a value as an error shows it, however deep it is nested."""
    try:
        text = repr(value)
    except RecursionError:
        return f"a {type(value).__name__} nested too deep"
    return text if len(text) <= 300 else f"{text[:297]}..."


def _drop_none(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: _drop_none(v) for k, v in value.items() if v is not None}
    if isinstance(value, list):
        return [_drop_none(item) for item in value]
    return value
