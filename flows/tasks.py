"""The task of every flow: Prefect keeps and shows its errors, so none of them carries a secret."""

from collections.abc import Callable
from functools import wraps
from typing import Any, ParamSpec, TypeVar

import prefect
from prefect.cache_policies import NO_CACHE

from fairmark.errors import without_secret

P = ParamSpec("P")
R = TypeVar("R")


def task(**options: Any) -> Callable[[Callable[P, R]], "prefect.Task[P, R]"]:
    """Return the decorator of a task that is never cached and whose errors are said without a secret.

    Parameters
    ----------
    options
        As Prefect's own `task` takes them.
    """

    def around(function: Callable[P, R]) -> "prefect.Task[P, R]":
        @wraps(function)
        def run(*args: P.args, **kwargs: P.kwargs) -> R:
            try:
                return function(*args, **kwargs)
            except Exception as error:
                if (plain := without_secret(error)) is not error:
                    raise plain from None
                raise

        made: prefect.Task[P, R] = prefect.task(cache_policy=NO_CACHE, **options)(run)
        return made

    return around
