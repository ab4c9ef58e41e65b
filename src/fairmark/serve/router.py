"""Which release answers a row: champion, challenger by the canary's share, a verified fallback, or a person.

An arm that fails loses no answer: after the challenger comes the champion, after the champion the fallback,
after the fallback the answer "refer to a person". A shadow scores beside the one that answers, and what it
does or fails to do changes nothing.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import msgspec

from fairmark.data.row import CellFault
from fairmark.errors import UsageError
from fairmark.journal.entry import Arm
from fairmark.model.row import Encoded
from fairmark.serve.canary.state import OFF, CanaryState, place
from fairmark.serve.oversight import Scored
from fairmark.serve.scorer import Scorer, run
from fairmark.serve.wire import Raw, Reader


class Routed(msgspec.Struct, frozen=True):
    """What came of one row.

    Parameters
    ----------
    arm
        Whose answer it is; `none` where no model could.
    scorer, row, scored
        The release that answers, the numbers that it read, and what it says; None for the arm `none`.
    failed
        Arms that should have answered and could not.
    shadow
        What the challenger says of it, where it looks on and could.
    """

    arm: Arm
    scorer: Scorer | None
    row: Encoded | None
    scored: Scored | None
    failed: tuple[Arm, ...] = ()
    shadow: Scored | None = None


AFTER: Mapping[Arm, tuple[Arm, ...]] = {
    "challenger": ("challenger", "champion", "fallback"),
    "champion": ("champion", "fallback"),
    "fallback": ("fallback",),
}


def _silent(arm: Arm, error: Exception) -> None:
    """Tell nobody."""


@dataclass
class Router:
    """Routes rows to the releases that are loaded.

    Parameters
    ----------
    champion, challenger, fallback
        The releases; None where there is none, or it could not be loaded.
    state
        What the canary does now.
    note
        Is told of each arm that fails, and how.
    promoted
        Digest of the release that has kept what it took over by a canary: where it is the challenger here, it
        answers, and the champion after it.
    """

    champion: Scorer | None
    challenger: Scorer | None = None
    fallback: Scorer | None = None
    state: CanaryState = OFF
    note: Callable[[Arm, Exception], None] = _silent
    promoted: str | None = None
    lead: Scorer = field(init=False)
    """Whose schema, params and policy a request meets: the champion, or without one the fallback."""
    reader: Reader = field(init=False)

    def __post_init__(self) -> None:
        """Take the lead.

        Raises
        ------
        UsageError
            When there is neither a champion nor a fallback.
        """
        lead = self.champion or self.fallback
        if lead is None:
            raise UsageError("service: must have a release that could be loaded, got none")
        self.lead = lead
        self.reader = Reader(lead, [one for one in (self.challenger, self.fallback) if one is not None])

    @property
    def releases(self) -> dict[Arm, Scorer]:
        """The releases that are loaded, by arm."""
        pairs: list[tuple[Arm, Scorer | None]] = [
            ("champion", self.champion),
            ("challenger", self.challenger),
            ("fallback", self.fallback),
        ]
        return {arm: scorer for arm, scorer in pairs if scorer is not None}

    @property
    def trial(self) -> Scorer | None:
        """The challenger, when the canary's state is of the one that is loaded."""
        if self.challenger is None or self.state.challenger != self.challenger.digest:
            return None
        return self.challenger

    def arm_of(self, person: str) -> Arm:
        """Return which arm is to answer a person, by the canary's share."""
        state = self.state
        if state.phase == "fallback" and self.fallback is not None:
            return "fallback"
        trial = self.trial
        if trial is not None and place(person, trial.digest) < state.share:
            return "challenger"
        kept = self.challenger is not None and self.challenger.digest == self.promoted
        return "challenger" if kept else "champion"

    def answer(self, rows: Sequence[Raw], encoded: Sequence[Encoded], people: Sequence[str]) -> list[Routed]:
        """Return what comes of each row, in order.

        Parameters
        ----------
        rows
            As they came; checked against the lead's schema.
        encoded
            The numbers that the lead reads in them.
        people
            Pseudonyms, or random ids.
        """
        wanted = [self.arm_of(person) for person in people]
        found: list[Routed | None] = [None] * len(rows)
        for arm in dict.fromkeys(wanted):
            places = [place for place, each in enumerate(wanted) if each == arm]
            for place_, routed in zip(places, self._chain(arm, rows, encoded, places), strict=True):
                found[place_] = routed
        whole = [each for each in found if each is not None]
        # Asked once: the state may change while many rows are scored in a thread.
        trial = self.trial if self.state.phase == "shadow" else None
        return whole if trial is None else self._shadowed(trial, whole, rows)

    def _chain(
        self, arm: Arm, rows: Sequence[Raw], encoded: Sequence[Encoded], places: Sequence[int]
    ) -> list[Routed]:
        failed: tuple[Arm, ...] = ()
        for each in AFTER[arm]:
            scorer = self.releases.get(each)
            if scorer is None:
                # A champion that could not be loaded has failed; a fallback that nobody named has not.
                failed += (each,) if each == "champion" else ()
                continue
            try:
                read = (
                    [encoded[place] for place in places]
                    if scorer is self.lead
                    else scorer.model.read_all([rows[place] for place in places])
                )
                scored = _sound(run(scorer, read))
            except CellFault as fault:
                # The row is one that the lead takes, and this release was not learnt on the like.
                self.note(each, ValueError(fault.must))
            except Exception as error:  # noqa: BLE001 - whatever breaks a model, the next one answers
                self.note(each, error)
            else:
                return [Routed(each, scorer, row, one, failed) for row, one in zip(read, scored, strict=True)]
            failed += (each,)
        return [Routed("none", None, None, None, failed)] * len(places)

    def _shadowed(self, trial: Scorer, routed: Sequence[Routed], rows: Sequence[Raw]) -> list[Routed]:
        try:
            scored = _sound(run(trial, trial.model.read_all(rows)))
        except CellFault as fault:
            self.note("shadow", ValueError(fault.must))
        except Exception as error:  # noqa: BLE001 - a shadow changes no answer
            self.note("shadow", error)
        else:
            return [
                msgspec.structs.replace(each, shadow=one) for each, one in zip(routed, scored, strict=True)
            ]
        return list(routed)


def _sound(scored: Sequence[Scored]) -> Sequence[Scored]:
    """Return scores that are all probabilities.

    Raises
    ------
    ArithmeticError
        When one is not.
    """
    if not all(0 <= each.score <= 1 for each in scored):
        raise ArithmeticError("score: must be in 0..1, got another")
    return scored
