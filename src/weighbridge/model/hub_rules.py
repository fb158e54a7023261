"""The rules for talking to the Hub, without a socket: limits, redirects, addresses, refusals."""

from __future__ import annotations

from ipaddress import ip_address
from typing import NamedTuple
from urllib.parse import urljoin, urlsplit

from weighbridge.errors import HubError, InputError, ModelReferenceError
from weighbridge.units import MIB

PUBLIC = ("huggingface.co", "hf.co")


class Limits(NamedTuple):
    """How much and how long: bytes for all requests, seconds of silence, of one, of all."""

    total_bytes: int = 256 * MIB
    silent_seconds: float = 10
    request_seconds: float = 60
    total_seconds: float = 180
    threads: int = 8
    waits: tuple[float, ...] = (0.5, 2.0)


LIMITS = Limits()


def redirect_problem(endpoint: str, url: str, location: str) -> str | None:
    """Why a redirect is not followed; None where it is."""
    try:
        before, after = urlsplit(url), urlsplit(urljoin(url, location))
        _ = after.port
    except ValueError:
        return "redirects to something that is no URL"
    if after.scheme not in {"http", "https"} or not after.hostname:
        return "redirects away from http(s)"
    if before.scheme == "https" and after.scheme != "https":
        return "redirects from https to http"
    if after.username is not None or after.password is not None:
        return "redirects with a password in the URL"
    host = urlsplit(endpoint).hostname or ""
    if after.hostname != host and is_inner(after.hostname, strict=host in PUBLIC):
        return "redirects to an address inside this network"
    return None


def refusal(host: str, code: int, said: str, what: str, *, token: bool) -> InputError:
    """What a status of 4xx means, in one sentence."""
    if said == "GatedRepo":
        hint = "with the account of HF_TOKEN" if token else "and set HF_TOKEN"
        return HubError(f"{what} is gated; accept its conditions on {host} {hint}")
    if said == "RevisionNotFound":
        return ModelReferenceError(f"{what} has no such revision on {host}; see its branches")
    if said == "EntryNotFound":
        return ModelReferenceError(f"{what} is not on {host} at that revision")
    if code in {401, 403} and token:
        return HubError(
            f"{host} refuses the token for {what}; check the name, and that HF_TOKEN may read it"
        )
    if code in {401, 403, 404}:
        missing = "; if it is private, set HF_TOKEN" if not token else ""
        return ModelReferenceError(f"{what} is not on {host}{missing}")
    return HubError(f"{what}: {host} answers with status {code}; try again later")


def origin(url: str) -> tuple[str, str, int | None]:
    """Scheme, host and port: a token goes to nobody with another."""
    parts = urlsplit(url)
    port = parts.port or {"https": 443, "http": 80}.get(parts.scheme)
    return parts.scheme, (parts.hostname or "").lower(), port


def is_inner(host: str, *, strict: bool) -> bool:
    """Whether an address is one that no public server should send us to.

    Beside an endpoint of the user's own network, its neighbours are allowed (``strict`` is
    false), but link-local addresses, where clouds keep credentials, never are.
    """
    try:
        address = ip_address(host.partition("%")[0])
    except ValueError:
        return strict and (host == "localhost" or host.endswith((".localhost", ".internal")))
    address = getattr(address, "ipv4_mapped", None) or address
    if address.is_link_local or address.is_multicast or address.is_unspecified:
        return True
    return strict and not address.is_global
