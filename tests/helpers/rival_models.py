"""A hand-made alternatives.json: a chosen model and one rival, whose differences anyone can work out."""

from typing import Any

from fairmark.judge.alternatives import (
    Alternatives,
    Beside,
    GroupCalibration,
    Range,
    Reached,
    Resampled,
    Rival,
    SwapBand,
    SwappedGroup,
    Unmeasured,
)

CALIBRATED = GroupCalibration(mean_score=0.3, positive_share=0.25, error=0.05)


def rival(limit: str = "four-fifths", attribute: str = "sex", **changes: Any) -> Rival:
    """Return a rival whose ratio is 0.9 where the chosen model's is 0.8, and whose quality is 0.01 less."""
    beside = Beside(lost=0.01, gained={limit: 0.1})
    known: dict[str, Any] = {
        "name": "trial-4",
        "what": "boosted, a threshold within the limits",
        "why": "It keeps every gated limit that was measured, and has 0.01 less accuracy on held-out rows.",
        "valid": Reached(quality=0.78, limits={limit: 0.88}),
        "test": Reached(quality=0.79, limits={limit: 0.9}),
        "beside": beside,
        "refits": (Beside(lost=0.03, gained={limit: -0.02}),),
        "mean": Beside(lost=0.02, gained={limit: 0.04}),
        "steady": {limit: 1},
        "resampled": Resampled(
            lost=Range(low=0.004, high=0.016),
            gained={limit: Range(low=0.06, high=0.14)},
            fairer={limit: 1.0},
        ),
        "calibration": {attribute: {"Female": CALIBRATED, "Male": CALIBRATED}},
        "swaps": {
            attribute: {
                "Female": SwappedGroup(bands=(SwapBand(low=0.4, high=0.6, into=30, out=4),)),
                "Male": SwappedGroup(bands=(SwapBand(low=0.4, high=0.6, into=2, out=41),)),
            }
        },
    }
    return Rival(**(known | changes))


def alternatives(
    sha256: str, limit: str = "four-fifths", attribute: str = "sex", **changes: Any
) -> Alternatives:
    """Return the document of a model with this digest."""
    known: dict[str, Any] = {
        "model_sha256": sha256,
        "goal": "accuracy",
        "confidence": 0.95,
        "refits": 1,
        "resamples": 100,
        "smallest_cell": 1,
        "rows": 8000,
        "sampled": False,
        "valid": Reached(quality=0.8, limits={limit: 0.82}),
        "test": Reached(quality=0.8, limits={limit: 0.8}),
        "calibration": {attribute: {"Female": CALIBRATED, "Male": CALIBRATED}},
        "rivals": (rival(limit, attribute),),
        "unmeasured": (
            Unmeasured(name="GridSearch", quality=0.77, limits={limit: 0.95}, why="It is of a coarser grid."),
        ),
        "why": "",
    }
    return Alternatives(**(known | changes))
