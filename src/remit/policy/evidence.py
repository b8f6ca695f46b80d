"""What a number of reviews says about the true rate of errors, at any moment that anyone looks.

A mixture of bets against "the rate is alpha or more" is a test martingale: if the rate really was that on average, the chance that its
wealth ever reaches 1/delta is at most delta (Ville 1939; Ramdas, Grünwald, Vovk, Shafer 2023 on e-processes). So the bound below
holds at all moments together: it may be looked at after each label, and the looking may decide when to stop.
"""

from __future__ import annotations

import math
from typing import Final

_BETS: Final = 24
_STEPS: Final = 60


def wealth(reviewed: int, wrong: int, alpha: float) -> float:
    """Logarithm of the wealth after so many labels, of which so many were wrong, bet against a rate of `alpha` (between 0 and 1).

    Half of it is bet on no error at all, the rest evenly on rates from 2 to 80 per cent of `alpha`.
    """
    right = reviewed - wrong
    bets = [(0.0, 0.5)] + [(alpha * 0.02 * 40 ** ((k - 1) / (_BETS - 2)), 0.5 / (_BETS - 1)) for k in range(1, _BETS)]
    hopeful = [(theta, weight) for theta, weight in bets if theta or not wrong]
    lost = [wrong * math.log(theta / alpha) if wrong else 0.0 for theta, _ in hopeful]
    logs = [
        math.log(weight) + bad + right * math.log((1 - theta) / (1 - alpha)) for (theta, weight), bad in zip(hopeful, lost, strict=True)
    ]
    most = max(logs)
    return most + math.log(sum(math.exp(one - most) for one in logs))


def upper_bound(reviewed: int, wrong: int, delta: float = 0.05) -> float:
    """The rate of errors is below this, with probability 1 - `delta` at all moments together; 1.0 while nothing can be said.

    The smallest rate that these labels reject, rounded up to a millionth.
    """
    if not 0 <= wrong <= reviewed or not 0 < delta < 1:
        raise ValueError(f"{wrong} wrong of {reviewed} at {delta}")
    if wrong == reviewed:
        return 1.0
    least, most = wrong / reviewed, 1.0 - 1e-9
    if wealth(reviewed, wrong, most) < math.log(1 / delta):
        return 1.0
    for _ in range(_STEPS):
        middle = (least + most) / 2
        least, most = (least, middle) if wealth(reviewed, wrong, middle) >= math.log(1 / delta) else (middle, most)
    return math.ceil(most * 1e6) / 1e6
