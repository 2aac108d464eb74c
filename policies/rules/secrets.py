"""Rules on secrets in plain text. No message holds a value."""

import re
from collections.abc import Iterator
from typing import Any

from policies.rules.rule import Context, Limit, Rule
from policies.view.resources import Resource
from policies.view.servers import Server, lines
from policies.view.stack import Stack
from policies.view.values import as_mapping, is_unknown, undecided

_NAME = re.compile(
    r"passw(or)?d|passphrase|requirepass|masterauth|secret|token|api[._-]?key|access[._-]?key|private[._-]?key"
    r"|credential|jaas\.config|jaas_config",
    re.IGNORECASE,
)
_HARMLESS_NAME = re.compile(
    r"(file(name)?|path|dir|location|_?class|type|enabled?|mechanisms?|name|provider|algorithm|ttl|timeout(\.ms)?"
    r"|lifetime\.ms|expiry.*|interval(\.ms)?|ms|url|uri|issuer|callback.*|creds|credentials)$",
    re.IGNORECASE,
)
_HARMLESS_VALUE = re.compile(r"\s*|[\"']{2}|/[\w./-]+|[\"']?\$.*|true|false|\d{1,6}|\*+|<[\w -]+>", re.IGNORECASE)
_IN_VALUE = (
    (re.compile(r"[a-z][a-z0-9+.-]*://[^\s:/@]*:(?![$*<])[^\s/@]+@", re.IGNORECASE), "a URL with a password"),
    (re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----"), "a private key"),
    (re.compile(r"\bpassword\s*=\s*\\?[\"'](?![$])[^\"']+[\"']", re.IGNORECASE), "a login with a password"),
)
_IN_COMMAND = re.compile(
    r"(?:--(?:requirepass|masterauth|pass(?:word)?|token|secret)|\bredis-cli\b[^|;&]*\s-a)[ =]+[\"']?(?![\"'$\s])\S",
    re.IGNORECASE,
)
_ENTRY = re.compile(r"[\"']?([\w.-]+)[\"']?\s*(?:[=:]|\s)\s*(.*)")


def faults(name: str, value: Any) -> Iterator[str]:
    """The kinds of secret in a plain value, as text for messages; never the value itself.

    Raises:
        Undecided: The value is unknown, and its name does not give it away.
    """
    if _NAME.search(name) and not _HARMLESS_NAME.search(name):
        # The name alone shows that it is a secret, even if the value is unknown.
        if is_unknown(value) or not _HARMLESS_VALUE.fullmatch(str(value)):
            yield "a plain-text secret"
        return
    if is_unknown(value):
        undecided(f"the value of {name}")
    for pattern, what in _IN_VALUE:
        if pattern.search(str(value)):
            yield what


def _in_server(server: Server, context: Context) -> Iterator[str]:
    # Known values first: an unknown one ends the check, and must not hide a finding.
    for name, value in sorted(server.variables.items(), key=lambda item: is_unknown(item[1])):
        if name in context.limits["allowed"]:
            continue
        for what in faults(name, value):
            yield f"{server} has {what} in the variable {name}"
    words = [*server.command, *(word for check in server.checks for word in check.command or ())]
    text = " ".join(words)
    if _IN_COMMAND.search(text) or any(pattern.search(text) for pattern, _ in _IN_VALUE):
        yield f"{server} has a secret on its command line or in a health check"


def _in_data(resource: Resource, context: Context) -> Iterator[str]:
    found = dict(_texts(resource))
    for key, text in sorted(found.items(), key=lambda item: is_unknown(item[1])):
        if "\n" not in text.strip():
            for what in faults(key, text):
                yield f"{resource} has {what} in its entry {key}"
        for name, what in _in_text(text) if "\n" in text.strip() else ():
            if name not in context.limits["allowed"]:
                yield f"{resource} has {what} in its entry {key}, at {name}"


def _in_text(text: str) -> Iterator[tuple[str, str]]:
    """Secrets in a file: the name of each, and its kind."""
    for line in lines(text):
        match = _ENTRY.match(line)
        found: list[tuple[str, str]] = []
        if match is not None:
            found = [(match[1], what) for what in faults(match[1], match[2])]
        if not found and any(pattern.search(line) for pattern, _ in _IN_VALUE):
            found = [("a line", "a secret")]
        yield from found


def _texts(resource: Resource) -> Iterator[tuple[str, str]]:
    """The files of a ConfigMap or of a roll's template: name and text."""
    props = resource.props
    found = props.raw("data") if resource.kind == "ConfigMap" else props.object("template").raw("files")
    if is_unknown(found):
        undecided("data")
    yield from ((key, str(value)) for key, value in as_mapping(found).items())


def _readable(stack: Stack) -> list[Resource]:
    config_maps = [item for item in stack.of("ConfigMap") if item.on_kubernetes]
    return [*config_maps, *(item for item in stack.of("GatedRoll") if item.own)]


_SOURCE = "https://kubernetes.io/docs/concepts/security/secrets-good-practices/"
_ALLOWED = {"allowed": Limit(default=(), meaning="Variables or settings that are not secrets despite their names")}

RULES = (
    Rule(
        name="no-plain-secret",
        title="No secret is in a plain variable, on a command line or in a health check",
        reason="Everyone who may list containers, pods or processes can read it.",
        remedy="Pass it in a file or variable that comes from a Secret; on Docker, in an uploaded secret file.",
        source=_SOURCE,
        severity="critical",
        subjects=lambda stack: stack.all_containers,
        check=_in_server,
        limits=_ALLOWED,
    ),
    Rule(
        name="no-secret-in-configmap",
        title="No secret is in a ConfigMap",
        reason="Everyone with read access to the namespace can read ConfigMaps, and they are not encrypted.",
        remedy="Move the entry to a Secret and mount it beside the ConfigMap.",
        source=_SOURCE,
        severity="critical",
        subjects=_readable,
        check=_in_data,
        limits=_ALLOWED,
    ),
)
