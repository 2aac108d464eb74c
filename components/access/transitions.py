"""What a change of access, or of an application, means."""

from components.transitions import LARGER, SMALLER, TURNED_OFF, TURNED_ON, Allowed, Case, Refused, Table, always

_AT_ONCE = "brokers that encrypt and brokers that do not could not replicate during the roll"
_WAY = "Keep it, or move to a new stack: back up, `up`, restore"

_LIMITS = ("produce", "consume", "requestPercent")

_CERTIFICATES = Allowed(restarts=("kafka",), note="for the new certificate or authorities")

RULES: Table = {
    "enabled": (
        Case(when=TURNED_ON, answer=Refused(reason=_AT_ONCE, way=_WAY)),
        Case(when=TURNED_OFF, answer=Refused(reason=_AT_ONCE, way=_WAY)),
    ),
    "tls.lifetime": always(Allowed(note="applies to certificates that are made from now on")),
    "tls.sign": always(_CERTIFICATES),
    "tls.trust": always(_CERTIFICATES),
}
"""The answer for each setting of access."""

_NOW = Allowed(note="rights change at once; nothing restarts")

APP_RULES: Table = {
    "name": always(Allowed(note="the users of the old name are removed, and clients need those of the new one")),
    **{key: always(_NOW) for key in ("produces", "consumes", "groups", "transactions", "redis")},
    **{f"quota.{key}": always(Allowed(note="limits change at once; nothing restarts")) for key in _LIMITS},
    "namespace": always(Allowed(note="the Secret moves, and is gone from the old namespace")),
    "generation": (
        Case(when=LARGER, answer=Allowed(note="a new user with a new password; the one numbered one below stays")),
        Case(when=SMALLER, answer=Allowed(note="the newer users are removed, and clients need the older one")),
    ),
    "keepPrevious": (
        Case(when=TURNED_ON, answer=Allowed(note="the user before the last one is made again, with a new password")),
        Case(when=TURNED_OFF, answer=Allowed(note="the user before the last one is removed")),
    ),
}
"""The answer for each setting of an application; the set of users compares them by name."""
