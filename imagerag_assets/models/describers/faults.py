"""What can be wrong with a call of an endpoint: whose fault it is, what it is called, and what to do about it."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from imagerag_assets.errors import ImageragError, ItemError, ModelError, ServiceError
from imagerag_assets.models.calls import Outcome
from imagerag_assets.models.describers.pace import retry_after

LONGEST_WAIT_SECONDS = 300.0
"""A server that asks for more before the next call has closed for the day."""
_MESSAGE_LIMIT = 500
_OUR_FAULT = ("invalid", "empty", "cut_off")
_PASSING = ("rate_limited", "server_error", "timeout", "broken", "bad_request")


@dataclass(frozen=True)
class Fault:
    """One thing that went wrong, in the server's words without the key."""

    outcome: Outcome
    message: str
    wait_seconds: float | None = None
    """What the server asks to wait."""

    @property
    def is_free(self) -> bool:
        """Whether a call without an answer surely cost nothing: an answer that got lost may have been paid."""
        return self.outcome not in ("timeout", "broken")


def explain(error: Exception, clean: Callable[[str], str]) -> Fault:
    """Name what the SDK raised. `clean` takes the key out of a text."""
    from openai import APIConnectionError, APIStatusError, APITimeoutError

    if isinstance(error, APIStatusError):
        message = clean(_said(error))
        wait = retry_after(error.response.headers)
        outcome = _of_status(error.status_code, error.code or "", message.lower(), wait)
        # What a server says of a wrong key mostly quotes it, in whole or in part.
        return Fault(outcome, "" if outcome == "unauthorized" else message, wait)
    causes = list(_causes(error))
    names = {type(cause).__name__ for cause in causes}
    if any(isinstance(cause, ssl.SSLError) or "CERTIFICATE" in str(cause) for cause in causes):
        told = next((str(cause) for cause in causes if isinstance(cause, ssl.SSLError)), str(causes[-1]))
        return Fault("certificate", clean(told))
    if names & {"ConnectError", "ConnectTimeout", "UnsupportedProtocol", "ProxyError"}:
        return Fault("unreachable", clean(str(causes[-1]) or type(causes[-1]).__name__))
    if isinstance(error, APITimeoutError | TimeoutError):
        return Fault("timeout", "no answer in time")
    kind = "the connection was cut" if isinstance(error, APIConnectionError) else "the answer is no whole JSON"
    return Fault("broken", clean(f"{kind}: {causes[-1]}")[:_MESSAGE_LIMIT])


def final_error(fault: Fault, where: str, model: str, setting: str = "models.describer") -> ImageragError:
    """The error of an image, or of the whole run, that a fault ends in. `where` is the endpoint's address."""
    outcome, said = fault.outcome, fault.message
    if outcome in _OUR_FAULT:
        more = " Raise models.describer.max_output_tokens." if outcome == "cut_off" else ""
        return ItemError("invalid_answer", f"{model} gave no description in two answers: {said}.{more}")
    if outcome == "refused":
        return ItemError("refused", f"{model} refuses to describe this image: {said}")
    if outcome in _PASSING:
        return ServiceError(outcome, f"{where}: {said}")
    told = {
        "unauthorized": "refuses the key. Check the environment variable that holds it, and what the key may be used "
        "for.",
        "no_credit": f"has no credit or quota left for this key: {said} Top it up, or run again later: what was "
        "described is kept.",
        "unknown_model": f"does not know the model {model}: {said} Correct {setting}.model or its base_url.",
        "unreachable": f"cannot be reached: {said}. Start the server, or correct {setting}.base_url.",
        "certificate": f"has a certificate that is not trusted: {said}. Correct the address, or set SSL_CERT_FILE to "
        "the certificates of your network.",
        "not_the_protocol": f"does not speak the OpenAI protocol: {said}.",
    }[outcome]
    return ModelError(f"{setting}: {where} {told}")


def _of_status(status: int, code: str, message: str, wait: float | None) -> Outcome:
    if status == 402 or code == "insufficient_quota" or "credit balance" in message:
        return "no_credit"
    if status in (401, 403) or "api key not valid" in message:
        return "unauthorized"
    if status == 404:
        return "unknown_model"
    if status == 429:
        return "rate_limited" if (wait or 0.0) <= LONGEST_WAIT_SECONDS else "no_credit"
    if status in (408, 409, 425) or status >= 500:
        return "server_error"
    filtered = ("content_filter", "content_policy_violation", "moderation_blocked")
    if code in filtered or "content management policy" in message or "safety system" in message:
        return "refused"
    return "bad_request"


def _said(error: Exception) -> str:
    """The server's own message, on one line."""
    body = getattr(error, "body", None)
    told = body.get("message") or body.get("detail") if isinstance(body, dict) else body
    text = " ".join(str(told or error).split())[:_MESSAGE_LIMIT]
    return text if text.endswith((".", "!", "?")) else f"{text}."


def _causes(error: BaseException) -> Iterator[BaseException]:
    """The error and what caused it, outermost first."""
    found: BaseException | None = error
    while found is not None:
        yield found
        found = found.__cause__ or found.__context__
