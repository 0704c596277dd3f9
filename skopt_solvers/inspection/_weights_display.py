"""Draw the features of largest weight for and against each class, as bars."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from .._base.inherited_docs import with_texts_of
from ._drawing import require_matplotlib
from ._linear_parts import check_count, linear_parts, shown_name
from ._top_features import top_features

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.container import BarContainer
    from matplotlib.figure import Figure

_FOR, _AGAINST = "#2166ac", "#f4a261"
_BAR_INCHES = 0.19
_FEWEST_BARS = 3  # a panel of fewer bars is as high as one of three, so that its bars do not become blocks
_COLUMN_INCHES = 3.6
_MOST_COLUMNS = 4
_LONG_TITLE = 14


class WeightsDisplay:
    """Horizontal bars of the largest weights, with a panel for each class.

    :meth:`from_estimator` makes and draws it; :meth:`plot` draws it again. Weights for the class are dark bars to the
    right, the largest on top, weights against it light and hatched bars to the left, the largest at the bottom.

    Parameters
    ----------
    records : list of dict
        The weights to draw, as :func:`top_features` makes them: each has `class`, `feature` and `weight`.
    classes : list, optional
        The panels and their order; None takes the classes of the records. A class without records has an empty panel.

    Attributes
    ----------
    axes_ : ndarray of matplotlib Axes, one a class
    ax_ : matplotlib Axes
        The first of them.
    figure_ : matplotlib Figure
    bars_ : list of BarContainer, one a class

    See Also
    --------
    top_features : The same as records.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from skopt_solvers import LogisticRegression
    >>> from skopt_solvers.inspection import WeightsDisplay
    >>> X, y = load_iris(return_X_y=True, as_frame=True)
    >>> display = WeightsDisplay.from_estimator(LogisticRegression(max_iter=1000).fit(X, y), n=2)
    >>> [ax.get_title() for ax in display.axes_]
    ['0', '1', '2']
    >>> [label.get_text() for label in display.axes_[0].get_yticklabels()]
    ['sepal width (cm)', 'petal width (cm)', 'petal length (cm)']
    """

    axes_: np.ndarray
    ax_: Axes
    figure_: Figure
    bars_: list[BarContainer]

    def __init__(self, records: list[dict[str, Any]], classes: Sequence[Any] | None = None) -> None:
        self.records = records
        self.classes = classes

    def plot(
        self, ax: Any = None, *, sharex: bool = True, name_length: int = 24, n_columns: int | None = None
    ) -> WeightsDisplay:
        """Draw the bars.

        Parameters
        ----------
        ax : matplotlib Axes, or array of them, one a class, default=None
            The axes to draw on; None makes a figure of the size that its panels need.
        sharex : bool, default=True
            True gives all panels the same scale, so that their bars can be compared.
        name_length : int, default=24
            Characters of a name; a longer one is cut in its middle. Spaces at its ends are shown as ``␣``.
        n_columns : int or None, default=None
            Panels beside each other in a new figure; None puts at most 4.

        Returns
        -------
        WeightsDisplay
            Itself.

        Raises
        ------
        ValueError
            For another number of axes than there are classes, or records without a class.
        ImportError
            Without matplotlib, which the extra `plot` installs.
        """
        require_matplotlib("WeightsDisplay.plot")
        from matplotlib import pyplot as plt

        check_count(name_length, "name_length")
        if n_columns is not None:
            check_count(n_columns, "n_columns")
        panels = self._panels()
        rooms = [max(len(records), _FEWEST_BARS) for records in panels.values()]
        if ax is None:
            self.figure_, self.axes_, rooms = _figure(plt, rooms, n_columns)
        else:
            self.axes_ = np.atleast_1d(np.asarray(ax, dtype=object)).ravel()
            if len(self.axes_) != len(panels):
                raise ValueError(f"ax must be one Axes a class, {len(panels)}, got {len(self.axes_)}")
            self.figure_ = self.axes_[0].figure
        self.ax_ = self.axes_[0]
        self.bars_ = [
            _draw(panel, records, name_length, room)
            for panel, records, room in zip(self.axes_, panels.values(), rooms, strict=True)
        ]
        titles = [_as_text(label, name_length + 6) for label in panels]
        # long ones go over the names, where there is room, and not beyond the right edge
        place = dict(x=1.0, horizontalalignment="right") if max(map(len, titles)) > _LONG_TITLE else {}
        for panel, title in zip(self.axes_, titles, strict=True):
            panel.set_title(title, fontsize="medium", fontweight="bold", **place)
        low, high = np.array([panel.get_xlim() for panel in self.axes_]).T
        if sharex:
            for panel in self.axes_:
                panel.set_xlim(low.min(), high.max())
        return self

    @classmethod
    @with_texts_of(plot, top_features)
    def from_estimator(
        cls,
        estimator: Any,
        n: int = 10,
        classes: Any = None,
        *,
        feature_names: ArrayLike | None = None,
        ax: Any = None,
        sharex: bool = True,
        name_length: int = 24,
        n_columns: int | None = None,
    ) -> WeightsDisplay:
        """Take the weights of a fitted model and draw them.

        Parameters
        ----------
        estimator : fitted linear classifier, LinearChainCRF, or Pipeline or search that ends in one
            The model whose weights are drawn.
        n : int, default=10
            Bars of each sign, at most.
        classes, feature_names : as in :func:`top_features`
        ax, sharex, name_length, n_columns : as in :meth:`plot`

        Returns
        -------
        WeightsDisplay
        """
        parts = linear_parts(estimator)
        shown = [parts.classes[k] for k in parts.indices_of(classes)]
        records = top_features(estimator, n, feature_names=feature_names, classes=classes)
        return cls(records, shown).plot(ax, sharex=sharex, name_length=name_length, n_columns=n_columns)

    def _panels(self) -> dict[Any, list[dict[str, Any]]]:
        """Return the records of each class, the weights from the largest to the smallest."""
        classes = [record["class"] for record in self.records] if self.classes is None else self.classes
        panels: dict[Any, list[dict[str, Any]]] = {label: [] for label in classes}
        if not panels:
            raise ValueError("records must have one class at least, got none")
        for record in self.records:
            if record["class"] in panels:
                panels[record["class"]].append(record)
        return {label: sorted(records, key=lambda record: -record["weight"]) for label, records in panels.items()}


def _figure(plt: Any, rooms: list[int], n_columns: int | None) -> tuple[Any, np.ndarray, Any]:
    """Make a figure; return it, its panels row by row, and the bars for which each has room, the most of its row."""
    n_columns = min(len(rooms), _MOST_COLUMNS if n_columns is None else n_columns)
    rows = [max(rooms[i : i + n_columns]) for i in range(0, len(rooms), n_columns)]
    heights = [0.8 + _BAR_INCHES * room for room in rows]
    figure, axes = plt.subplots(
        len(rows),
        n_columns,
        figsize=(max(_COLUMN_INCHES * n_columns, 4.5), sum(heights)),
        squeeze=False,
        layout="constrained",
        gridspec_kw=dict(height_ratios=heights),
    )
    figure.get_layout_engine().set(w_pad=0.12, h_pad=0.08)
    axes = axes.ravel()
    for unused in axes[len(rooms) :]:
        unused.remove()
    return figure, axes[: len(rooms)], np.repeat(rows, n_columns)[: len(rooms)]


def _draw(ax: Axes, records: list[dict[str, Any]], name_length: int, room: int) -> BarContainer:
    weights = np.array([record["weight"] for record in records])
    positive = weights > 0
    # bars are placed by number, since two columns may have one name
    bars = ax.barh(np.arange(len(weights)), weights, color=np.where(positive, _FOR, _AGAINST), height=0.75, zorder=2)
    for bar, is_for in zip(bars, positive, strict=True):
        if not is_for:
            bar.set(hatch="////", edgecolor="#7f3b08", linewidth=0.5)
    ax.set_yticks(np.arange(len(weights)), [_as_text(record["feature"], name_length) for record in records])
    ax.set_ylim(room - 0.4, -0.6)
    ax.axvline(0, color="0.2", linewidth=0.8, zorder=3)
    ax.grid(axis="x", color="0.9", zorder=0)
    ax.locator_params(axis="x", nbins=5)
    ax.tick_params(axis="y", length=0, labelsize="small")
    ax.tick_params(axis="x", labelsize="small")
    for side in ("top", "right", "left"):
        ax.spines[side].set_visible(False)
    ax.set_xlabel("Weight", fontsize="small")
    return bars


def _as_text(name: object, length: int) -> str:
    """Return a name in which matplotlib finds no mathematics, which it sets between two dollars."""
    return shown_name(name, length).replace("$", r"\$")
