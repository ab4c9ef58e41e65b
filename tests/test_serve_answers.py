"""What the service answers is read back by its callers as the structs that it was written from."""

import msgspec
import pytest

from fairmark.serve.body import decoded, encode
from fairmark.serve.cases import Contested, Reviewed
from fairmark.serve.decision import Answer, Answers, ReasonCode, Released

ANSWER = Answer(
    id="0" * 32, decision=None, score=0.25, confidence=0.75, decided_by="person", proposal=0,
    referred=("adverse",), case="1" * 32, due="2026-11-30T00:00:00Z", overturn_until=None,
    reasons=(ReasonCode("age", -0.5, "Age is low"),), baseline=0.3, flags=(),
    release=Released("loans", "v0.1.0", "sha256:ab"), arm="champion", failed=(), mode="review",
    at="2026-11-28T00:00:00Z",
)  # fmt: skip


@pytest.mark.parametrize(
    "answer",
    [
        ANSWER,
        Answers((ANSWER, ANSWER)),
        Contested("2" * 32, "2026-11-30T00:00:00Z", ANSWER),
        Reviewed("3" * 32, "override", "0" * 32, 1),
    ],
    ids=lambda each: type(each).__name__,
)
def test_an_answer_is_read_back_as_it_was_written(answer: msgspec.Struct) -> None:
    found = decoded(encode(answer), type(answer))

    assert encode(found) == encode(answer)
    assert type(found) is type(answer)


def test_an_answer_of_another_path_is_refused() -> None:
    with pytest.raises(msgspec.ValidationError, match="decisions"):
        decoded(encode(ANSWER), Answers)
