"""HTML read by Python's own parser: whether it is balanced, and what it holds."""

from dataclasses import dataclass, field
from html.parser import HTMLParser

VOID = frozenset({"area", "base", "br", "col", "hr", "img", "input", "link", "meta", "source", "wbr"})


@dataclass
class Element:
    """One element with its attributes, its text, and the names of the elements around it."""

    name: str
    attributes: dict[str, str]
    within: tuple[str, ...]
    text: str = ""


@dataclass
class Document:
    """All elements in order, and every fault of nesting."""

    elements: list[Element] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)

    def all(self, name: str) -> list[Element]:
        """Return the elements of a name."""
        return [element for element in self.elements if element.name == name]


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.document = Document()
        self.open: list[Element] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        names = [name for name, _ in attrs]
        if len(set(names)) < len(names):
            self.document.faults.append(f"<{tag}> at {self.getpos()} names an attribute twice: {names}")
        element = Element(tag, {k: v or "" for k, v in attrs}, tuple(it.name for it in self.open))
        self.document.elements.append(element)
        if tag not in VOID:
            self.open.append(element)

    def handle_endtag(self, tag: str) -> None:
        if not self.open or self.open[-1].name != tag:
            self.document.faults.append(f"</{tag}> at {self.getpos()} closes {self.open[-1:]}")
        else:
            self.open.pop()

    def handle_data(self, data: str) -> None:
        for element in self.open:
            element.text += data


def read(text: str) -> Document:
    """Return the elements of an HTML text."""
    reader = _Reader()
    reader.feed(text)
    reader.close()
    reader.document.faults += [f"<{element.name}> is never closed" for element in reader.open]
    return reader.document
