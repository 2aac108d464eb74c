"""Certificates as a resource."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

import pulumi
from pulumi.dynamic import Resource

from components.access.provider import CertificatesProvider


@dataclass(frozen=True, kw_only=True)
class CertificatesArgs:
    """Arguments of :class:`Certificates`.

    An authority is changed in three updates, so that at no moment a member meets a certificate that it does not trust:
    ``trust=(1, 2)``; then ``sign=2``; then, when all clients have the new one, ``trust=(2,)``.

    Args:
        platform: The platform's name, part of the authorities' names.
        hosts: Names and IP addresses by which each member is reached, by the certificate's name. Members that share
            their files, as those of one workload do, share a certificate.
        sign: Number of the authority that signs.
        trust: Numbers of the authorities that members and clients trust.
        lifetime: How long a certificate is valid; it is renewed by the first update after two thirds of that.
    """

    platform: str
    hosts: Mapping[str, Sequence[pulumi.Input[str]]]
    sign: int = 1
    trust: Sequence[int] = (1,)
    lifetime: timedelta = timedelta(days=365)


class Certificates(Resource, module="millrace", name="Certificates"):
    """Authorities, and the certificates that one of them signs, encrypted in the state.

    Nothing exists outside the state: deleting it revokes nothing, and members keep what they have.

    Args:
        name: The resource's name.
        args: Who needs certificates.
        opts: Resource options.
    """

    members: pulumi.Output[dict[str, dict[str, str]]]
    """``key``, ``certificate`` and both as ``keystore``, as PEM, by the certificate's name; a secret."""
    trusted: pulumi.Output[str]
    """PEM of the authorities to trust."""
    expires: pulumi.Output[dict[str, str]]
    """The day on which each certificate and authority expires, as 2030-12-31."""

    def __init__(self, name: str, args: CertificatesArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        props: dict[str, object] = {
            "platform": args.platform,
            "hosts": {member: list(hosts) for member, hosts in args.hosts.items()},
            "sign": args.sign,
            "trust": sorted(args.trust),
            "lifetime": args.lifetime.total_seconds(),
            "authorities": None,
            "members": None,
            "trusted": None,
            "expires": None,
        }
        # Without this, the state would hold the keys in plain text.
        secret = pulumi.ResourceOptions(additional_secret_outputs=["authorities", "members"])
        super().__init__(CertificatesProvider(), name, props, pulumi.ResourceOptions.merge(opts, secret))
