"""The results page: each benchmark updates its own section."""

_START = "\n## "


def with_section(page: str, section: str) -> str:
    """A page with a section that replaces the one with the same title, or is added at the end."""
    head, *sections = page.split(_START)
    new = section.removeprefix(_START.lstrip("\n"))
    title = new.partition("\n")[0]
    titles = [text.partition("\n")[0] for text in sections]
    if title in titles:
        sections[titles.index(title)] = new
    else:
        sections.append(new)
    return _START.join(text.rstrip("\n") + "\n" for text in [head, *sections])
