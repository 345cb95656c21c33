"""Why a model answered as it did: what each feature of a row added to the answer, and from what base.

All explainers give Shapley values (Lundberg & Lee 2017, "A unified approach to interpreting model predictions"): values
and base add up to the model's output. `explainer_of` takes the best that a predictor allows. Imported by workers:
nothing heavy here.
"""

from tidewheel.registry.explain.choosing import DEFAULT_EVALUATIONS, explainer_of
from tidewheel.registry.explain.records import Attributions, Explainer

__all__ = ["DEFAULT_EVALUATIONS", "Attributions", "Explainer", "explainer_of"]
