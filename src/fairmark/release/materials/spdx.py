"""Licence expressions in SPDX's spelling, by the list that the package license-expression carries.

https://spdx.github.io/spdx-spec/v2.3/SPDX-license-expressions/
"""

from functools import cache, lru_cache
from typing import Any


@lru_cache(maxsize=1024)  # a bill names a few licences hundreds of times
def spdx(text: str | None) -> str | None:
    """Return a licence expression in SPDX's spelling, or None when it is not one of known identifiers.

    Identifiers that SPDX has replaced (`GPL-2.0`, `GPL-2.0+`) become those that replaced them.
    """
    from license_expression import ExpressionError
    from packaging.licenses import InvalidLicenseExpression, canonicalize_license_expression

    if not text or "\n" in text or len(text) > 1000:
        return None
    try:
        # packaging knows SPDX's identifiers alone; license-expression also takes nicknames such as GPL.
        canonical = canonicalize_license_expression(text)
        return str(licensing().parse(canonical, validate=True, strict=True).render("{symbol.key}"))
    except (InvalidLicenseExpression, ExpressionError):
        return None


@cache
def licensing() -> Any:
    """Return license-expression's parser of expressions, with SPDX's identifiers."""
    from license_expression import get_spdx_licensing

    return get_spdx_licensing()
