"""One e-detector over everything that is watched: how long it runs without a false alarm, how soon it tells.

The e-detector of Shin, Ramdas and Rinaldo ("E-detectors: a nonparametric framework for sequential change
detection", 2024): the sum, over every look j at which a change could have begun, of an e-process begun at
j. Until the change its mean grows by 1 a look at most, so that the mean number of looks before it reaches c
is c at least (theorem 2.4). The mean of the detectors of all streams is one again: the run length is that
of all columns, scores, groups and limits together, and nothing is corrected for how many they are. Which
streams there are follows from the release and its params, never from what came: otherwise a stream that
wakes up would change what was said of the looks before it.

An e-value below `SAYS` is left out of the sum, which only makes it smaller. Streams that have few rows have
values near 1 at every look; added up over years they would raise an alarm of which nothing is the cause.

After an alarm the detector begins anew with the look after it: what is held against the reference alone
again, and what has none against that look.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from fairmark.stats.arrays import Floats, Mask
from fairmark.stats.e_process import against_reference
from fairmark.watch.evidence import LimitStream, Of, Part, Stream


@dataclass(frozen=True)
class Carried:
    """What one stream adds to the detector.

    Parameters
    ----------
    name, of, part
        Of the stream.
    share
        Of the detector's value, 0..1.
    alone
        Whether it would have raised the alarm by itself.
    since
        The look, from 0, at which a change most likely began, by its own e-processes.
    """

    name: str
    of: Of
    part: Part
    share: float
    alone: bool
    since: int


@dataclass(frozen=True)
class Alarm:
    """The detector reached the run length.

    Parameters
    ----------
    look
        At which, from 0.
    value
        Of the detector.
    carried
        Streams by falling share: those that carry 95% of it together, and those that would have raised it
        alone.
    """

    look: int
    value: float
    carried: Sequence[Carried]

    @property
    def of(self) -> Of:
        """What it is of: of the kinds of alarm the one whose streams carry most."""
        sums: dict[Of, float] = {}
        for each in self.carried:
            sums[each.of] = sums.get(each.of, 0.0) + each.share
        return max(sums, key=lambda name: (sums[name], name))

    @property
    def kinds(self) -> list[Of]:
        """All that it is of, `of` first: each kind with a stream that would have raised it alone."""
        return [*dict.fromkeys([self.of, *(each.of for each in self.carried if each.alone)])]


@dataclass(frozen=True)
class Detection:
    """What the detector said at every look.

    Parameters
    ----------
    values
        Of the detector, shape `[looks]`; 1 a look is the most that chance gives on average, 0 is usual.
    streams
        Of each stream's own, shape `[looks, streams]`.
    names
        Of the streams.
    alarms
        In order.
    """

    values: Floats
    streams: Floats
    names: Sequence[str]
    alarms: Sequence[Alarm]


SAYS = 3.0
"""An e-process below this says nothing of a change, and adds nothing."""
LARGEST = 34.0
"""Values are shown up to e to this power: what is more says nothing else."""


def detect(streams: Sequence[Stream | LimitStream], looks: int, run_length: float) -> Detection:
    """Return the detector over some streams.

    Parameters
    ----------
    looks
        How many there were.
    run_length
        Its threshold: looks between two false alarms, on average at least.
    """
    names = [each.name for each in streams]
    from scipy.special import logsumexp

    if not streams or not looks:
        return Detection(np.zeros(looks), np.zeros((looks, len(streams))), names, [])
    values, own = np.zeros(looks), np.zeros((looks, len(streams)))
    alarms: list[Alarm] = []
    start = 0
    for look in range(looks):
        # Of each stream one e-process for every look since the last alarm at which a change could have begun.
        begun = np.stack([each.log_e(look, start) for each in streams])
        with np.errstate(divide="ignore"):  # nothing says anything: the logarithm of 0
            each = logsumexp(np.where(begun >= np.log(SAYS), begun, -np.inf), axis=1)
            whole = float(logsumexp(each)) - float(np.log(len(streams)))
        own[look], values[look] = np.exp(np.minimum(each, LARGEST)), np.exp(min(whole, LARGEST))
        if values[look] >= run_length:
            # Those that would have raised it with every other stream at 0: the mean is over all of them.
            enough = each >= np.log(run_length * len(streams))
            alarms.append(_alarm(streams, (look, start), float(values[look]), each, enough, begun))
            start = look + 1
    return Detection(values, own, names, alarms)


def _alarm(
    streams: Sequence[Stream | LimitStream],
    at: tuple[int, int],
    value: float,
    each: Floats,
    enough: Mask,
    begun: Floats,
) -> Alarm:
    from scipy.special import softmax

    # The share of each stream in the sum, though what is at hand are logarithms.
    shares = softmax(each)
    order = np.argsort(-shares, kind="stable")
    kept = int(np.searchsorted(np.cumsum(shares[order]), 0.95)) + 1
    carried = [
        Carried(
            streams[k].name,
            streams[k].of,
            streams[k].part,
            float(shares[k]),
            bool(enough[k]),
            at[1] + int(begun[k].argmax()),
        )
        for place, k in enumerate(order.tolist())
        if place < kept or enough[k]
    ]
    return Alarm(at[0], value, carried)


REPEATS = 21
MOST_LOOKS = 30


def to_largest(reference: Sequence[int], harm: float) -> Floats:
    """Return the shares of bins after the share `harm` of all rows has moved into the largest one."""
    share = _shares(reference)
    moved: Floats = share * (1 - harm)
    moved[int(share.argmax())] += harm
    return moved


def _shares(counts: Sequence[int]) -> Floats:
    # Half a row in each bin, as the reference's null has it: an empty bin is rare, not impossible.
    known = np.array(counts, dtype=np.float64) + 0.5
    shares: Floats = known / known.sum()
    return shares


def delay(
    reference: Sequence[int], then: ArrayLike, rows: int, streams: int, run_length: float
) -> int | None:
    """Return the median number of looks until a move of one stream is told; None beyond `MOST_LOOKS`.

    Simulated `REPEATS` times, always alike: the first look is the first after the move, and the reference's
    own sampling error is drawn too. The other streams are taken to add nothing, so that the true delay is
    no longer.

    Parameters
    ----------
    reference
        Counts by bin.
    then
        Shares of the bins after the move.
    rows
        Of a look.
    streams
        How many there are: the detector is their mean.
    """
    rng = np.random.default_rng(0)
    known = np.array(reference, dtype=np.float64)
    if known.sum() == 0 or rows == 0:
        return None
    share, found = _shares(reference), np.full(REPEATS, MOST_LOOKS + 1)
    for repeat in range(REPEATS):
        seen = rng.multinomial(int(known.sum()), share)
        done = np.cumsum(rng.multinomial(rows, np.asarray(then), size=MOST_LOOKS), axis=0)
        for look in range(MOST_LOOKS):
            # Row k is what was counted before look k: the e-value of a change that began there.
            before = np.concatenate([np.zeros((1, len(known))), done[:look]])
            log_e = against_reference(done[look] - before, np.broadcast_to(seen, before.shape), before)
            said = log_e[log_e >= np.log(SAYS)]
            if np.exp(np.minimum(said, LARGEST)).sum() / streams >= run_length:
                found[repeat] = look + 1
                break
    # An odd number of repeats, so that the median is one of them; those never detected count as beyond.
    middle = int(np.median(found))
    return middle if middle <= MOST_LOOKS else None
