"""Conformal p-values and the bets on them: turning "how unusual is this window" into evidence without any model.

Called by `conformal_drift`. It must never be given scores that treat the new item otherwise than the old ones: the
p-value is right only because all n + 1 scores are computed by the same, order-blind rule.

    p = ( #{i : s_i > s} + u #{i : s_i = s} ) / (n + 1)        the new item counts among the ties
    e = kappa p^(kappa - 1),  kappa in (0, 1)                  power calibrator: integrates to 1 over p in [0, 1]

u is uniform on [0, 1], handed in by the caller: p is then exactly uniform under exchangeability. u = 1 is
deterministic (replayable) and conservative. Since p >= u / (n + 1), evidence grows by at most log e(1/(n + 1)) a
window.

Vovk, Gammerman, Shafer, "Algorithmic Learning in a Random World", 2nd ed. 2022, chapters 2 and 8; Vovk, Wang,
"E-values: calibration, combination and applications", Annals of Statistics 2021 (arXiv 1912.06116), section 2.

>>> conformal_p(new=9.0, others=[1.0, 2.0, 3.0], uniform=1.0)
0.25
>>> windows_needed(references=28, alpha=1e-4), windows_needed(references=28, alpha=1e-6)
(9, 13)
"""

import math

import numpy as np
from numpy.typing import ArrayLike

from tidewheel.stats._checks import Floats, probability

KAPPAS = np.array([0.1, 0.2, 0.3, 0.5, 0.7])


def conformal_p(*, new: float, others: ArrayLike, uniform: float = 1.0) -> float:
    """The p-value of a score among `others`; large scores are unusual."""
    if not 0.0 <= uniform <= 1.0:
        raise ValueError(f"uniform must lie in [0, 1], got {uniform}; draw it with random() or give 1.0")
    scores = np.asarray(others, dtype=np.float64)
    above, tied = int((scores > new).sum()), int((scores == new).sum()) + 1
    return max((above + uniform * tied) / (len(scores) + 1), 1e-12)


def log_bets(p: float) -> Floats:
    """The log e-value of a p-value under each power calibrator of `KAPPAS`."""
    return np.asarray(np.log(KAPPAS) + (KAPPAS - 1) * math.log(p))


def windows_needed(*, references: int, alpha: float, features: int = 1, slots: int = 24) -> int | None:
    """Windows until the alarm when each is more extreme than all references of its slot in one of `features` features.

    Deterministic p-values (u = 1). Slots are visited in turn; on the k-th visit k - 1 drifted windows have joined the
    bag, and the new one ranks in their middle. None: so few slots and references that the drift becomes the norm first.

    >>> windows_needed(references=28, alpha=1e-6, slots=1) is None
    True
    """
    target = math.log(features * len(KAPPAS)) - math.log(probability(alpha, "alpha"))
    log_sr = np.full(len(KAPPAS), -np.inf)
    for window in range(slots * (references + 2)):
        visit = window // slots + 1
        log_sr = log_bets((visit + 1) / 2 / (references + visit)) + np.logaddexp(0.0, log_sr)
        if np.logaddexp.reduce(log_sr) >= target:
            return window + 1
    return None
