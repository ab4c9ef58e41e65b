"""Rows counted by groups that are known by probability alone; nobody is put into a group."""

from collections.abc import Iterator, Mapping

import numpy as np
from numpy.typing import NDArray

from fairmark.data.schema import ProbableAttribute
from fairmark.errors import InputError
from fairmark.judge.by_probability import LOOSE, AttributeByProbability, GroupNodes
from fairmark.stats.arrays import Floats
from fairmark.stats.proxy_groups import nodes_of


def counted(
    label: NDArray[np.integer],
    decision: NDArray[np.integer],
    probabilities: Mapping[str, Floats],
    of: ProbableAttribute,
    where: str,
) -> AttributeByProbability:
    """Return one attribute by probability.

    Parameters
    ----------
    label, decision
        0 or 1, shape `[rows]`.
    probabilities
        Of each group, shape `[rows]`; those of a row add up to 1, or to what published tables round it to.
    of
        What gives them, and the columns that they stand in, if any.
    where
        What faults are said of.

    Raises
    ------
    InputError
        When there are fewer than two groups, or probabilities are missing, outside 0..1 or add up to
        something else.
    """
    faults = list(_faults(probabilities, len(label), where))
    if faults:
        raise InputError(*faults)
    groups = {
        name: GroupNodes(nodes=nodes_of(np.asarray(each, dtype=np.float64), label, decision, of.bins))
        for name, each in probabilities.items()
    }
    return AttributeByProbability(
        columns=tuple(sorted(of.columns.values())),
        proxy=of.proxy,
        version=of.version,
        error=of.error,
        bins=of.bins,
        groups=groups,
    )


def refuse_units(where: str, *, weighted: bool, persons: bool) -> None:
    """Do nothing for rows of one weight, each of another person: bounds by probability know no others yet.

    Raises
    ------
    InputError
        When rows weigh, or people have several.
    """
    found = [said for said, there in (("weights", weighted), ("persons with several rows", persons)) if there]
    if found:
        raise InputError(
            f"{where}: must be judged on rows of one weight, each of another person, where groups are known "
            f"by probability, got {' and '.join(found)}"
        )


def _faults(probabilities: Mapping[str, Floats], rows: int, where: str) -> Iterator[str]:
    if len(probabilities) < 2:
        yield f"{where}: must be probabilities of two groups or more, got {len(probabilities)}"
        return
    odd = False
    for name, each in probabilities.items():
        if np.shape(each) != (rows,):
            odd = True
            yield f"{where}.{name}: must have one probability a row, {rows}, got shape {np.shape(each)}"
        elif (missing := int(np.isnan(each).sum())) > 0:
            odd = True
            yield (
                f"{where}.{name}: must be given in every row, got none in {missing} (a row that the proxy "
                "does not know has the shares of all people)"
            )
        elif not ((each >= 0) & (each <= 1)).all():
            odd = True
            yield f"{where}.{name}: must be in 0..1, got {float(each[~((each >= 0) & (each <= 1))][0]):g}"
    if odd:
        return
    off = np.abs(np.sum([*probabilities.values()], axis=0) - 1)
    if off.max(initial=0.0) > LOOSE:
        yield f"{where}: must add up to 1 in each row, got {int((off > LOOSE).sum()):,} rows that do not"
