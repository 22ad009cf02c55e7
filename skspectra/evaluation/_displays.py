"""What was compared, drawn in the form of scikit-learn's displays."""

from skspectra.evaluation._compare import compare
from skspectra.evaluation._label_efficiency import label_efficiency_curve

__all__ = ["ComparisonDisplay", "LabelEfficiencyDisplay"]


class ComparisonDisplay:
    """RMSEP of estimators divided by that of the reference, with intervals and folds.

    Made by :meth:`from_estimators`, or of a comparison that there is already.

    Parameters
    ----------
    comparison : Comparison
        What :func:`compare` returned.

    Attributes
    ----------
    ax_ : matplotlib Axes
        One row a rival: a dot with its interval, filled where that excludes 1, and
        small dots for single folds.
    figure_ : matplotlib Figure
        With `ax_`.

    See Also
    --------
    skspectra.inspection.PredictionDisplay : Predicted against measured values.

    Examples
    --------
    >>> from skspectra import PLSRegressionCV
    >>> from skspectra.datasets import make_nir_mixtures
    >>> from skspectra.evaluation import ComparisonDisplay, pls_baseline
    >>> spectra = make_nir_mixtures(n_samples=60, n_channels=50, random_state=0)
    >>> display = ComparisonDisplay.from_estimators(
    ...     {"PLS": pls_baseline(), "raw PLS": PLSRegressionCV()},
    ...     spectra.data,
    ...     spectra.target,
    ...     random_state=0,
    ... )
    >>> [label.get_text() for label in display.ax_.get_yticklabels()]
    ['raw PLS']
    """

    def __init__(self, comparison):
        self.comparison = comparison

    @classmethod
    def from_estimators(cls, estimators, X, y, *, ax=None, **options):
        """Compare estimators and draw what came out.

        Parameters
        ----------
        estimators : dict of str to estimator
            As in :func:`compare`, the reference first.
        X : array-like of shape (n_samples, n_channels)
            Spectra.
        y : array-like of shape (n_samples,) or (n_samples, n_targets)
            Reference values.
        ax : matplotlib Axes, default=None
            Where to draw; None makes a figure.
        **options
            Of :func:`compare`.

        Returns
        -------
        ComparisonDisplay
            Drawn; `comparison` has all figures.
        """
        return cls(compare(estimators, X, y, **options)).plot(ax)

    def plot(self, ax=None):
        """Draw it.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Where to draw; None makes a figure.

        Returns
        -------
        ComparisonDisplay
            The display itself.
        """
        self.ax_ = self.comparison.plot(ax)
        self.figure_ = self.ax_.figure
        return self


class LabelEfficiencyDisplay:
    """Mean RMSEP and its standard error against the number of labelled rows.

    Made by :meth:`from_estimators`, or of a curve that there is already.

    Parameters
    ----------
    curve : LabelEfficiencyCurve
        What :func:`label_efficiency_curve` returned.
    target : object, default=None
        Which of several targets; None means the first.

    Attributes
    ----------
    ax_ : matplotlib Axes
        One line an estimator.
    figure_ : matplotlib Figure
        With `ax_`.

    See Also
    --------
    sklearn.model_selection.LearningCurveDisplay : Cuts through groups, and gives the
        unlabelled rows to nobody.

    Examples
    --------
    >>> from skspectra import PLSRegressionCV
    >>> from skspectra.datasets import make_nir_mixtures
    >>> from skspectra.evaluation import LabelEfficiencyDisplay, pls_baseline
    >>> spectra = make_nir_mixtures(n_samples=60, n_channels=50, random_state=0)
    >>> display = LabelEfficiencyDisplay.from_estimators(
    ...     {"PLS": pls_baseline(), "raw PLS": PLSRegressionCV()},
    ...     spectra.data,
    ...     spectra.target,
    ...     train_sizes=[20, 40],
    ...     random_state=0,
    ... )
    >>> display.ax_.get_xlabel()
    'Labelled training rows'
    """

    def __init__(self, curve, *, target=None):
        self.curve = curve
        self.target = target

    @classmethod
    def from_estimators(cls, estimators, X, y, *, target=None, ax=None, **options):
        """Find the errors at each number of labels and draw them.

        Parameters
        ----------
        estimators : dict of str to estimator
            As in :func:`label_efficiency_curve`.
        X : array-like of shape (n_samples, n_channels)
            Spectra.
        y : array-like of shape (n_samples,) or (n_samples, n_targets)
            Reference values.
        target : object, default=None
            Which of several targets; None means the first.
        ax : matplotlib Axes, default=None
            Where to draw; None makes a figure.
        **options
            Of :func:`label_efficiency_curve`.

        Returns
        -------
        LabelEfficiencyDisplay
            Drawn; `curve` has all figures.
        """
        curve = label_efficiency_curve(estimators, X, y, **options)
        return cls(curve, target=target).plot(ax)

    def plot(self, ax=None):
        """Draw it.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Where to draw; None makes a figure.

        Returns
        -------
        LabelEfficiencyDisplay
            The display itself.
        """
        self.ax_ = self.curve.plot(ax, target=self.target)
        self.figure_ = self.ax_.figure
        return self
