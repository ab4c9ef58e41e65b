"""Words in the names and the values of columns: what they say a column may be, each a reason and no proof.

English, German, French and Spanish names: tables are named in the language of the office they come from.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from fairmark.data.groups import folded
from fairmark.data.pii import WHOSE_WORDS


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


def words_of(name: str) -> list[str]:
    """Return the words of a column's name in lower case: `ageOFocc` and `age_of_occ` hold `age`."""
    split = re.sub(r"([a-z])([A-Z])", r"\1 \2", name)
    split = re.sub(r"([A-Z]+)([A-Z][a-z])", r"\1 \2", split)
    return [word.lower() for word in re.findall(r"[^\W_\d]+|\d+", split)]


PROTECTED = {
    "sex": "sex gender female male woman man women men geschlecht sexe genre sexo genero",
    "age": "age ages alter edad senior elderly dob birthdate birthday birthyear geburtsjahr",
    "race or ethnic origin": (
        "race racial ethnic ethnicity ethnie etnia black white afam afroamerican hispanic hisp latino latina "
        "asian colour color caste tribe indigenous aboriginal skin minority"
    ),
    "religion": "religion religious faith church denomination konfession",
    "disability": "disability disabled disabilities handicap handicapped behinderung impairment",
    "marital status": "marital married single divorced widowed spouse partner familienstand matrimonial",
    "pregnancy": "pregnant pregnancy maternity schwanger",
    "nationality": (
        "nationality citizen citizenship immigrant immigration foreign foreigner birthplace refugee "
        "staatsangehoerigkeit nationalite nacionalidad"
    ),
    "family status": "children child kids dependents dependants",
    "sexual orientation": "lgbt lgbtq orientation",
    "veteran status": "veteran veterans",
}
"""What law protects in many places, and words that columns of it are called by."""

_OF_WORD = {word: what for what, words in PROTECTED.items() for word in words.split()}

VALUES = {
    "sex": (
        "male female m f man woman men women boy girl nonbinary non-binary mann frau männlich maennlich "
        "weiblich homme "
        "femme hombre mujer masculino femenino"
    ),
    "race or ethnic origin": (
        "white black asian hispanic latino caucasian cauc afam african-american indian native other "
        "amer-indian mixed multiracial indigenous"
    ),
    "marital status": (
        "married single divorced widowed separated unmarried never-married widow widower cohabiting"
    ),
    "religion": "christian catholic protestant muslim jewish hindu buddhist sikh orthodox",
}
"""Values that tell of an attribute, where two of them stand in a column."""

_HINTS = {
    "race or ethnic origin": {"white", "black", "asian", "hispanic", "latino", "caucasian", "cauc", "afam"}
}

STAND_FOR = {
    "where somebody lives": (
        "zip zipcode postcode postal plz city town region district county state province neighbourhood "
        "neighborhood borough street address"
    ),
    "where somebody comes from": "country origin language mother",
    "a name": "surname lastname firstname forename",
    "schooling": "school college university",
    "a body": "height ht bmi",
    "a household": "household relation housing",
}
"""What often stands for a protected attribute, and words that columns of it are called by."""

_STANDS_FOR = {word: what for what, words in STAND_FOR.items() for word in words.split()}

OUTCOMES = _words(
    "target label outcome class response result y decision status default defaulted bad good churn "
    "churned attrition approved approval accepted accept granted deny denied rejected admitted hired "
    "selected fraud fraudulent dead death died deceased survived released arrested rearrest "
    "recidivism recid reoffended readmitted insured insurance converted conversion cancelled canceled "
    "returned repeated paid won card disease diagnosis premie loan"
)
"""Words that a label is called by."""

SUREST = frozenset({"target", "label", "outcome", "class", "response", "y"})
YES = (
    "yes", "true", "1", "positive", "bad", "default", "defaulted", "deny", "denied", "approved", "accepted",
    "dead", "died", "churn", "churned", "fraud", "hired", "admitted", "y", "t", "ja", "oui", "si", "high",
)  # fmt: skip
"""Values that are called positive, the surest first."""

ID_WORDS = _words(
    "id ids nr no number num key index rownames rowname row rowid uuid guid seqn seq serial caseid "
    "record case"
)
WHOSE = WHOSE_WORDS | {
    "household",
    "account",
    "subject",
    "individual",
    "insured",
    "citizen",
    "kunde",
    "person",
}
TIMES = _words(
    "date day time year yr month timestamp when at on created issued issue application applied "
    "arrival decision start opened datum"
)
WEIGHTS = _words("weight weights wt wgt pweight pwt sampwt finalwt fnlwt sampweight gewicht poids")


@dataclass(frozen=True)
class Hint:
    """What a column may be, and what says so."""

    what: str
    why: str


def protected_hint(name: str, values: Iterable[str] | None) -> Hint | None:
    """Return which protected attribute a column may hold, or None.

    Parameters
    ----------
    values
        Its different texts, where they are few.
    """
    for word in words_of(name):
        if word in _OF_WORD:
            return Hint(_OF_WORD[word], f"its name holds the word {word!r}")
    here = {folded(value).replace(" ", "-") for value in values or ()}
    for what, words in VALUES.items():
        met = here & set(words.split())
        # One value says little: `white` may be the colour of anything.
        if len(met) >= 2 and (what not in _HINTS or met & _HINTS[what]):
            return Hint(what, f"it holds the values {' and '.join(sorted(met)[:3])}")
    return None


def proxy_hint(name: str) -> Hint | None:
    """Return what a column may tell of a person that stands for a protected attribute, or None."""
    for word in words_of(name):
        if word in _STANDS_FOR:
            return Hint(_STANDS_FOR[word], f"its name holds the word {word!r}")
    return None
