"""
Fine-tune in a pipeline
=======================

The regressor is a scikit-learn estimator like any other: it stands behind a normaliser
in a pipeline, and the pipeline goes into a cross-validation. In each fold the
pretrainer inside it is trained anew on the training spectra of that fold, so the test
spectra have had no part in anything, not even in the pretraining.
"""

# %%
# Three models
# ------------
# ``max_epochs=0`` leaves the pretrainer with random weights. That is the control: what
# it reaches is owed to the network and not to the pretraining. Networks and epochs are
# smaller than by default, so that this page is quick.

from sklearn.pipeline import make_pipeline

from skspectra import InstanceNormalizer, MaskedSpectralPretrainer, SpectralRegressor
from skspectra.evaluation import pls_baseline


def network(max_epochs):
    """Return SNV, a pretrainer of so many epochs, and fine-tuning."""
    pretrainer = MaskedSpectralPretrainer(
        patch_size=10, embed_dim=32, depth=2, decoder_dim=32, max_epochs=max_epochs
    )
    return make_pipeline(
        InstanceNormalizer(), SpectralRegressor(pretrainer, max_epochs=50)
    )


models = {
    "PLS": pls_baseline(),
    "network from scratch": network(0),
    "pretrained network": network(100),
}

# %%
# One comparison
# --------------
# Fat in 215 spectra of 178 pieces of meat. ``groups`` keeps the spectra of a piece
# together, in the folds and inside the tuning of PLS.

from skspectra.datasets import load_tecator
from skspectra.evaluation import compare

meat = load_tecator()
comparison = compare(
    models, meat.data, meat.target, groups=meat.groups, cv=4, random_state=0
)
print(comparison)

# %%
# The verdict is about the ratio to PLS. Whether the *pretraining* helped is told by the
# distance between the two networks; ``reference="network from scratch"`` would give it
# an interval of its own.

import matplotlib.pyplot as plt

comparison.plot()
plt.show()
