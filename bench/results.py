"""The results page: sections that are renewed one by one."""

_START = "\n## "


def renewed(page: str, section: str) -> str:
    """A page with a section in the place of the one of the same title, or at its end."""
    head, *sections = page.split(_START)
    new = section.removeprefix(_START.lstrip("\n"))
    title = new.partition("\n")[0]
    titles = [text.partition("\n")[0] for text in sections]
    if title in titles:
        sections[titles.index(title)] = new
    else:
        sections.append(new)
    return _START.join(text.rstrip("\n") + "\n" for text in [head, *sections])
