"""The acceptance of a release: all that `verify` asks, asked before anything is signed, named or sent out.

A draft is sealed with a key that is thrown away and verified whole; only then is it sealed with the maker's
key, and verified once more together with the object of its tag, which nothing names yet. So what a stranger
would refuse is refused here, and leaves nothing: no folder, no tag, no version in a registry.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from fairmark.errors import UndeterminedError, VerificationError
from fairmark.release.statement import release_digest
from fairmark.signing.git_tags import write_release_tag
from fairmark.signing.keys import PublicKey, SigningKey
from fairmark.verify.verify import Fact, verify

TAG = ("tag", "tag seal")
"""The facts that can't be asked before the maker's key has signed."""


@dataclass
class Acceptance:
    """Verifies the draft of one release.

    Parameters
    ----------
    root
        The working folder and clone.
    name, version, message, commit
        Of the release's tag.
    key
        The maker's.
    tagged
        Whether its tag stands already: it is made again then, and the tag is not asked.
    tag
        The hash of the tag's object, once it is written.
    facts
        What the last look at the draft found.
    """

    root: Path
    name: str
    version: str
    message: str
    commit: str
    key: SigningKey
    tagged: bool
    tag: str | None = None
    facts: Sequence[Fact] = field(default_factory=list)

    def before_signing(self, draft: Path, passing: PublicKey) -> None:
        """Do nothing when a draft that a passing key has sealed holds in all but its tag.

        Raises
        ------
        VerificationError
            With each claim of it that is wrong.
        UndeterminedError
            With each claim that can't be told.
        """
        self._ask(draft, passing)

    def after_signing(self, draft: Path) -> None:
        """Do nothing when a draft that the maker has sealed holds, with the object of its tag.

        Raises
        ------
        VerificationError, UndeterminedError
            As `before_signing`.
        """
        if self.tagged:
            self._ask(draft, self.key.public)
            return
        digest = release_digest(draft)
        made = write_release_tag(
            self.root, self.name, self.version, self.message, digest, self.commit, key=self.key
        )
        self._ask(draft, self.key.public, made)
        self.tag = made

    def _ask(self, draft: Path, key: PublicKey, made: str | None = None) -> None:
        facts = verify(draft, self.root, key, made=made)
        self.facts = [fact for fact in facts if made is not None or fact.name not in TAG]
        refuse(f"{self.name}-{self.version}", self.facts)


def refuse(name: str, facts: Sequence[Fact]) -> None:
    """Do nothing when every fact that was asked holds.

    Raises
    ------
    VerificationError
        With each claim that is wrong.
    UndeterminedError
        With each claim that can't be told.
    """
    for held, kind in ((False, VerificationError), (None, UndeterminedError)):
        if found := [fact.line() for fact in facts if fact.asked and fact.held is held]:
            raise kind(f"{name}: must be what its statement says, got", *found)
