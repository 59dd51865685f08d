"""History of a training: one record per epoch."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from html import escape
from typing import overload

EpochRecord = Mapping[str, float]


class History(Sequence[EpochRecord]):
    """The records of a training, one per epoch.

    Each has ``epoch`` (from 1), ``loss`` (nats), one entry per metric, the same with
    ``val_`` where there is validation data, ``learning_rate`` (of the last step) and
    ``seconds``.

    Parameters
    ----------
    records : sequence of mapping
        One per epoch so far.

    Examples
    --------
    >>> history = History([{"epoch": 1, "loss": 0.5}, {"epoch": 2, "loss": 0.25}])
    >>> history["loss"]
    [0.5, 0.25]
    >>> history[-1]["epoch"]
    2
    """

    def __init__(self, records: Sequence[EpochRecord] = ()) -> None:
        self._records = list(records)

    def append(self, record: EpochRecord) -> None:
        """Add an epoch.

        Parameters
        ----------
        record : mapping of str to float
            What was measured in the epoch.
        """
        self._records.append(record)

    @overload
    def __getitem__(self, key: str) -> list[float]: ...
    @overload
    def __getitem__(self, key: int) -> EpochRecord: ...
    @overload
    def __getitem__(self, key: slice) -> History: ...
    def __getitem__(
        self, key: str | int | slice
    ) -> list[float] | EpochRecord | History:
        if isinstance(key, str):
            return [record[key] for record in self._records if key in record]
        if isinstance(key, slice):
            return History(self._records[key])
        return self._records[key]

    def __len__(self) -> int:
        return len(self._records)

    def __iter__(self) -> Iterator[EpochRecord]:
        return iter(self._records)

    def __repr__(self) -> str:
        if not self._records:
            return "History(no epoch)"
        last = ", ".join(f"{k}={v:.4g}" for k, v in self._records[-1].items())
        return f"History({len(self)} epochs; last: {last})"

    def _repr_html_(self) -> str:
        """Show the records as a table, in notebooks."""
        if not self._records:
            return "<em>History of no epoch</em>"
        names = list(dict.fromkeys(name for record in self for name in record))
        head = "".join(f"<th>{escape(name)}</th>" for name in names)
        rows = "".join(
            f"<tr>{''.join(f'<td>{_cell(record, name)}</td>' for name in names)}</tr>"
            for record in self
        )
        return f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"

    def plot(self) -> object:
        """Return a matplotlib figure of loss and metrics over epochs.

        Returns
        -------
        matplotlib.figure.Figure
            Not shown yet; needs the extra [plot].
        """
        from pellucid.training.curves import figure

        return figure(self)


def _cell(record: EpochRecord, name: str) -> str:
    return f"{record[name]:.5g}" if name in record else ""
