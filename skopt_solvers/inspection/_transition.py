"""Draw the transition weights of a CRF as a heat map."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.utils.validation import check_is_fitted

from .._base.inherited_docs import with_texts_of
from ..crf._constraints import allowed_transitions
from ._drawing import last_step, points, require_matplotlib

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.collections import PatchCollection, PathCollection
    from matplotlib.colorbar import Colorbar
    from matplotlib.figure import Figure
    from matplotlib.image import AxesImage

START, END = "(start)", "(end)"
# Sizes in points: of a cell and all cells, where a figure is made, of letters, and of the smallest letters of labels.
_CELL, _ALL_CELLS, _LETTER, _SMALLEST = (16, 36), 1000, (5.0, 10.0), 4.0
# Negative weights of at least this part of the largest weight get a minus sign.
_SIGNED = 0.1


class TransitionDisplay:
    """Heat map of the weights of a CRF's transitions: a row for the label before, a column for the label after.

    :meth:`from_estimator` makes and draws it. The weights of the labels that begin a sequence are a row above, those of
    the labels that end one a column on the right, where the model has them. Forbidden transitions are hatched.

    Parameters
    ----------
    transitions : ndarray of shape (n_labels, n_labels)
        The weights, from the label of the row to the label of the column.
    labels : sequence of length n_labels
        The labels, in the order of the rows.
    start, end : ndarray of shape (n_labels,) or None, default=None
        The weights of the labels that begin a sequence, and of those that end one.
    allowed : ndarray of bool, of shape (n_labels + 2, n_labels), or None, default=None
        The transitions that are possible; then the labels that may begin, and that may end a sequence. None allows all.

    Attributes
    ----------
    ax_ : matplotlib Axes
    figure_ : matplotlib Figure
    im_ : matplotlib AxesImage
        Its array is a row and a column larger than `transitions` where there are start and end weights.
    text_ : ndarray of Text or None, of the shape of the array of `im_`
        The values in the cells, None where a transition is forbidden.
    signs_ : PathCollection or None
        The minus signs in the place of values.
    forbidden_ : PatchCollection or None
        The hatched cells.
    colorbar_ : matplotlib Colorbar or None

    See Also
    --------
    skopt_solvers.LinearChainCRF.top_transitions : The largest of them as a list.

    Examples
    --------
    >>> from skopt_solvers import LinearChainCRF
    >>> from skopt_solvers.inspection import TransitionDisplay
    >>> X = [[["the"], ["old"], ["dog"], ["barks"]], [["a"], ["cat"], ["sleeps"]]]
    >>> y = [["O", "B-NP", "I-NP", "O"], ["O", "B-NP", "O"]]
    >>> crf = LinearChainCRF(constraints="bio").fit(X, y)
    >>> display = TransitionDisplay.from_estimator(crf)
    >>> [label.get_text() for label in display.ax_.get_yticklabels()]
    ['(start)', 'B-NP', 'I-NP', 'O']
    """

    ax_: Axes
    figure_: Figure
    im_: AxesImage
    text_: np.ndarray | None
    signs_: PathCollection | None
    forbidden_: PatchCollection | None
    colorbar_: Colorbar | None

    def __init__(
        self,
        transitions: np.ndarray,
        labels: Sequence[Any] | np.ndarray,
        *,
        start: np.ndarray | None = None,
        end: np.ndarray | None = None,
        allowed: np.ndarray | None = None,
    ) -> None:
        self.transitions = transitions
        self.labels = labels
        self.start = start
        self.end = end
        self.allowed = allowed

    def plot(
        self,
        ax: Axes | None = None,
        *,
        cmap: Any = "RdBu_r",
        include_values: bool | str = "auto",
        values_format: str = "z.1f",
        colorbar: bool = True,
        im_kw: dict[str, Any] | None = None,
    ) -> TransitionDisplay:
        """Draw the heat map.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            The axes to draw on; None makes a figure that is large enough for the labels.
        cmap : str or matplotlib Colormap, default="RdBu_r"
            The colours, from the lowest to the highest weight. Take a diverging map: its middle is 0.
        include_values : bool or "auto", default="auto"
            True writes the weights in their cells, "auto" where the cells are large enough to read them. Where they are
            not written, negative weights of at least a tenth of the largest weight have a minus sign, which is seen in
            grey too.
        values_format : str, default="z.1f"
            The format of the weights that are written. "z" makes -0.0 a 0.0.
        colorbar : bool, default=True
            Whether a bar beside the heat map explains the colours.
        im_kw : dict or None, default=None
            Keyword arguments for ``ax.imshow``.

        Returns
        -------
        TransitionDisplay
            Itself.
        """
        require_matplotlib("TransitionDisplay.plot")
        if not (isinstance(include_values, (bool, np.bool_)) or include_values == "auto"):
            raise ValueError(f"include_values must be True, False or 'auto', got {include_values!r}")
        weights, allowed = self._cells()
        if ax is None:
            ax = _new_axes(weights.shape, self.labels)
        self.ax_, self.figure_ = ax, ax.figure
        largest = np.abs(weights[allowed]).max(initial=0.0) or 1.0
        shown = np.ma.masked_where(~allowed, weights)
        limits = {} if "norm" in (im_kw or {}) else {"vmin": -largest, "vmax": largest}
        self.im_ = ax.imshow(shown, **{"cmap": cmap, **limits, **(im_kw or {})})
        self.colorbar_ = None
        if colorbar:
            self.colorbar_ = self.figure_.colorbar(self.im_, ax=ax, label="Weight", shrink=0.8, aspect=25, pad=0.02)
        self._label()
        self.forbidden_ = self._hatch(~allowed & np.isfinite(weights))
        self._write(shown, largest, include_values, values_format)
        return self

    @classmethod
    @with_texts_of(plot)
    def from_estimator(
        cls,
        estimator: Any,
        *,
        ax: Axes | None = None,
        cmap: Any = "RdBu_r",
        include_values: bool | str = "auto",
        values_format: str = "z.1f",
        colorbar: bool = True,
        im_kw: dict[str, Any] | None = None,
    ) -> TransitionDisplay:
        """Draw the transitions of a fitted CRF.

        Parameters
        ----------
        estimator : LinearChainCRF, or a pipeline that ends in one
            The fitted model.
        ax, cmap, include_values, values_format, colorbar, im_kw :
            As in :meth:`plot`.

        Returns
        -------
        TransitionDisplay

        Raises
        ------
        TypeError
            Where the estimator has no transitions.
        sklearn.exceptions.NotFittedError
        """
        require_matplotlib("TransitionDisplay.from_estimator")
        estimator = last_step(estimator)
        if not hasattr(estimator, "fit_boundaries"):
            raise TypeError(
                f"estimator must be a LinearChainCRF or a pipeline that ends in one, got {type(estimator).__name__}"
            )
        check_is_fitted(estimator, "transition_coef_")
        boundaries = dict(start=estimator.start_coef_, end=estimator.end_coef_) if estimator.fit_boundaries else {}
        allowed = allowed_transitions(estimator.constraints, estimator.classes_)
        display = cls(estimator.transition_coef_, estimator.classes_, allowed=allowed, **boundaries)
        return display.plot(
            ax, cmap=cmap, include_values=include_values, values_format=values_format, colorbar=colorbar, im_kw=im_kw
        )

    def _cells(self) -> tuple[np.ndarray, np.ndarray]:
        """Return the weights with start and end, NaN in the corner between them, and a mask of the possible ones."""
        K = len(self.labels)
        parts = [("transitions", self.transitions, (K, K)), ("start", self.start, (K,)), ("end", self.end, (K,))]
        for argument, value, shape in parts:
            if value is not None and np.shape(value) != shape:
                raise ValueError(f"{argument} must have shape {shape} for {K} labels, got {np.shape(value)}")
        if self.allowed is not None and np.shape(self.allowed) != (K + 2, K):
            raise ValueError(f"allowed must have shape {(K + 2, K)} for {K} labels, got {np.shape(self.allowed)}")
        possible = np.ones((K + 2, K), bool) if self.allowed is None else np.asarray(self.allowed, bool)
        weights = np.full((K + 1, K + 1), np.nan)
        allowed = np.zeros((K + 1, K + 1), bool)
        weights[1:, :K], allowed[1:, :K] = self.transitions, possible[:K]
        if self.start is not None:
            weights[0, :K], allowed[0, :K] = self.start, possible[K]
        if self.end is not None:
            weights[1:, K], allowed[1:, K] = self.end, possible[K + 1]
        part = slice(0 if self.start is not None else 1, None), slice(None, K if self.end is None else None)
        return weights[part], allowed[part]

    def _label(self) -> None:
        ax, names = self.ax_, [str(label) for label in self.labels]
        rows = [START] * (self.start is not None) + names
        columns = names + [END] * (self.end is not None)
        ax.set_xlabel("To")
        ax.set_ylabel("From")
        ax.set_yticks(range(len(rows)), rows)
        upright = max(map(len, columns)) * 0.65 * _LETTER[1] > self._cell()
        ax.set_xticks(range(len(columns)), columns, rotation=90 if upright else 0)
        size = self._fitting(0.8)
        for axis in (ax.xaxis, ax.yaxis):
            axis.set_tick_params(labelsize=max(size, _SMALLEST), length=0)
            every = int(np.ceil(_SMALLEST / size))
            for i, label in enumerate(axis.get_ticklabels()):
                label.set_parse_math(False)  # "$" is a part of speech
                label.set_visible(i % every == 0)
        # start and end are no labels
        if self.start is not None:
            ax.axhline(0.5, color="black", linewidth=1)
        if self.end is not None:
            ax.axvline(len(names) - 0.5, color="black", linewidth=1)

    def _cell(self) -> float:
        """Return the width of a cell in points."""
        self.figure_.canvas.figure.draw_without_rendering()  # for a subfigure, the whole figure
        box = self.ax_.get_window_extent()
        height, width = self.im_.get_array().shape
        return points(min(box.width / width, box.height / height), self.figure_)

    def _fitting(self, part: float) -> float:
        """Return the size of letters that take this part of a cell's height."""
        return min(_LETTER[1], part * self._cell())

    def _hatch(self, cells: np.ndarray) -> PatchCollection | None:
        if not cells.any():
            return None
        from matplotlib.collections import PatchCollection
        from matplotlib.patches import Patch, Rectangle

        style = dict(hatch="////", facecolor="white", edgecolor="0.6", linewidth=0)
        squares = [Rectangle((column - 0.5, row - 0.5), 1, 1) for row, column in np.argwhere(cells)]
        collection = self.ax_.add_collection(PatchCollection(squares, **style))
        self.ax_.legend(
            handles=[Patch(label="forbidden", **style)],
            loc="lower right",
            bbox_to_anchor=(1, 1),
            frameon=False,
            fontsize="small",
        )
        return collection

    def _write(self, weights: Any, largest: float, include: bool | str, values_format: str) -> None:
        """Write the values in the cells, or the signs of the negative ones."""
        cell, known = self._cell(), ~np.ma.getmaskarray(weights)
        longest = max((len(format(value, values_format)) for value in weights.compressed()), default=1)
        size = min(_LETTER[1], 1.5 * cell / longest)
        # the luminance of Rec. 601: letters on dark cells are white
        dark = self.im_.cmap(self.im_.norm(weights.filled(0)))[..., :3] @ [0.299, 0.587, 0.114] < 0.5
        colours = np.where(dark, "white", "black")
        self.text_ = self.signs_ = None
        if size >= _LETTER[0] if include == "auto" else include:
            style = dict(ha="center", va="center", fontsize=size, in_layout=False)
            self.text_ = np.full(weights.shape, None, dtype=object)
            for row, column in np.argwhere(known):
                text = format(weights[row, column], values_format)
                self.text_[row, column] = self.ax_.text(column, row, text, color=colours[row, column], **style)
            return
        rows, columns = np.nonzero(known & (weights.filled(0) < -_SIGNED * largest))
        limits = self.ax_.axis()
        self.signs_ = self.ax_.scatter(
            columns, rows, marker="_", s=(0.4 * cell) ** 2, c=colours[rows, columns], linewidths=max(0.4, 0.05 * cell)
        )
        self.ax_.axis(limits)


def _new_axes(shape: tuple[int, ...], labels: Sequence[Any] | np.ndarray) -> Axes:
    """Make axes whose cells are as large as the letters of the labels need, within limits."""
    from matplotlib import pyplot as plt

    cell = min(np.clip(400 / max(shape), *_CELL), _ALL_CELLS / max(shape))
    margin = 0.65 * _LETTER[1] * max(len(str(label)) for label in labels) + 50
    height, width = (np.array(shape) * cell + margin) / 72
    return plt.subplots(figsize=(width + 1, height), layout="constrained")[1]
