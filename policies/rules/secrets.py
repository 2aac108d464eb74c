"""Secrets where everyone can read them. No message of this module ever holds a value."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from policies.rules.rule import Judgement, Limit, Rule
from policies.view.resources import Resource
from policies.view.servers import Server, lines
from policies.view.stack import Stack
from policies.view.values import is_unknown, undecided

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
    (re.compile(r"[a-z][a-z0-9+.-]*://[^\s:/@]*:(?![$*<])[^\s/@]+@", re.IGNORECASE), "an address with a password"),
    (re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----"), "a private key"),
    (re.compile(r"\bpassword\s*=\s*\\?[\"'](?![$])[^\"']+[\"']", re.IGNORECASE), "a login with a password"),
)
_IN_COMMAND = re.compile(
    r"(?:--(?:requirepass|masterauth|pass(?:word)?|token|secret)|\bredis-cli\b[^|;&]*\s-a)[ =]+[\"']?(?![\"'$\s])\S",
    re.IGNORECASE,
)
_ENTRY = re.compile(r"[\"']?([\w.-]+)[\"']?\s*(?:[=:]|\s)\s*(.*)")


def faults(name: str, value: Any) -> Iterator[str]:
    """What of a secret stands in a plain value with a name: words for a message, never the value."""
    if _NAME.search(name) and not _HARMLESS_NAME.search(name):
        # Whatever it is, it is plain: an unknown value under such a name too.
        if is_unknown(value) or not _HARMLESS_VALUE.fullmatch(str(value)):
            yield "a plain value"
        return
    if is_unknown(value):
        undecided(f"the value of {name}")
    for pattern, what in _IN_VALUE:
        if pattern.search(str(value)):
            yield what


def _in_server(server: Server, judgement: Judgement) -> Iterator[str]:
    # All that is known first: an unknown value must not hide a finding behind it.
    for name, value in sorted(server.variables.items(), key=lambda item: is_unknown(item[1])):
        if name in judgement.limits["allowed"]:
            continue
        for what in faults(name, value):
            yield f"{server} has {what} in the variable {name}"
    words = [*server.command, *(word for check in server.checks for word in check.command or ())]
    text = " ".join(words)
    if _IN_COMMAND.search(text) or any(pattern.search(text) for pattern, _ in _IN_VALUE):
        yield f"{server} has a secret on its command line or in a health check's"


def _in_data(resource: Resource, judgement: Judgement) -> Iterator[str]:
    found = dict(_texts(resource))
    for key, text in sorted(found.items(), key=lambda item: is_unknown(item[1])):
        if "\n" not in text.strip():
            for what in faults(key, text):
                yield f"{resource} has {what} in its entry {key}"
        for name, what in _in_text(text) if "\n" in text.strip() else ():
            if name not in judgement.limits["allowed"]:
                yield f"{resource} has {what} in its entry {key}, at {name}"


def _in_text(text: str) -> Iterator[tuple[str, str]]:
    """Secrets in a file, with the name that each stands under."""
    for line in lines(text):
        match = _ENTRY.match(line)
        found: list[tuple[str, str]] = []
        if match is not None:
            found = [(match[1], what) for what in faults(match[1], match[2])]
        if not found and any(pattern.search(line) for pattern, _ in _IN_VALUE):
            found = [("a line", "a secret")]
        yield from found


def _texts(resource: Resource) -> Iterator[tuple[str, Any]]:
    props = resource.props
    found = props.raw("data") if resource.kind == "ConfigMap" else props.object("template").raw("files")
    if is_unknown(found):
        undecided("data")
    if isinstance(found, Mapping):
        yield from ((str(key), str(value)) for key, value in found.items())


def _plain(stack: Stack) -> list[Resource]:
    config_maps = [item for item in stack.of("ConfigMap") if item.on_kubernetes]
    return [*config_maps, *(item for item in stack.of("GatedRoll") if item.own)]


_SOURCE = "https://kubernetes.io/docs/concepts/security/secrets-good-practices/"
_ALLOWED = {"allowed": Limit(default=(), meaning="Names of variables or settings that are no secrets after all")}

RULES = (
    Rule(
        name="no-plain-secret",
        title="No secret stands in a plain variable, on a command line or in a health check",
        reason="Whoever may list containers or pods, or see the process list, reads it.",
        remedy="Hand it over in a file or variable that comes from a secret; on Docker in an uploaded secret file.",
        source=_SOURCE,
        severity="critical",
        subjects=lambda stack: stack.all_containers,
        check=_in_server,
        limits=_ALLOWED,
    ),
    Rule(
        name="no-secret-in-configmap",
        title="No secret stands in a ConfigMap",
        reason="ConfigMaps are readable for everyone who may look at the namespace, and are not encrypted.",
        remedy="Put the entry into a Secret and mount it beside the ConfigMap.",
        source=_SOURCE,
        severity="critical",
        subjects=_plain,
        check=_in_data,
        limits=_ALLOWED,
    ),
)
