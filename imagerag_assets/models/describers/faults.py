"""What can be wrong with a call of an endpoint: whose fault it is, what it is called, and what to do about it."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from imagerag_assets.errors import ImageragError, ItemError, ModelError, ServiceError
from imagerag_assets.models.calls import Outcome
from imagerag_assets.models.describers.pace import LONGEST_WAIT_SECONDS, retry_after, seconds

_MESSAGE_LIMIT = 500
_SHORTEST_SECRET = 8
"""Characters. Servers on this machine are given keys such as EMPTY, which are words like any other."""
_OUR_FAULT = ("invalid", "empty", "cut_off")
_NO_CREDIT = ("insufficient_quota", "billing_hard_limit_reached", "billing_not_active")
_PASSING = ("rate_limited", "server_error", "timeout", "broken", "bad_request")


@dataclass(frozen=True)
class Fault:
    """One thing that went wrong, in the server's words without the key."""

    outcome: Outcome
    message: str
    wait_seconds: float | None = None
    """What the server asks to wait."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "message", one_line(self.message))

    @property
    def is_free(self) -> bool:
        """Whether a call without an answer surely cost nothing: an answer that got lost may have been paid."""
        return self.outcome not in ("timeout", "broken")


def one_line(text: str) -> str:
    """What may go into rows, logs and terminals of a server's words: what can be printed, and not too much of it."""
    return " ".join("".join(char for char in word if char.isprintable()) for word in text.split())[:_MESSAGE_LIMIT]


def without_key(key: str | None) -> Callable[[str], str]:
    """Takes the key out of a server's words, which some of them repeat."""
    return lambda text: text.replace(key, "***") if key and len(key) >= _SHORTEST_SECRET else text


def explain(error: Exception, clean: Callable[[str], str], setting: str) -> Fault:
    """Name what the SDK raised. `clean` takes the key out of a text; `setting` is where the endpoint stands."""
    from openai import APIConnectionError, APIStatusError, APITimeoutError

    if isinstance(error, APIStatusError):
        if error.response.is_redirect:
            # Not followed: the images would go where nobody sent them.
            where = clean(error.response.headers.get("location", "somewhere"))
            return Fault("not_the_protocol", f"it redirects to {where}: set {setting}.base_url to where it is")
        return explain_status(error.status_code, error.body, clean, retry_after(error.response.headers), str(error))
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
    return Fault("broken", clean(f"{kind}: {causes[-1]}"))


def explain_status(
    status: int, body: object, clean: Callable[[str], str], wait: float | None = None, otherwise: str = ""
) -> Fault:
    """Name what a server said with that status. `otherwise` is told where its body has no words."""
    said = _words(body)
    message = clean(_sentence(said.get("message") or said.get("detail") or otherwise or f"status {status}"))
    code = said.get("code")
    wait = _googles_wait(said.get("details")) if wait is None else wait
    outcome = _of_status(status, code if isinstance(code, str) else "", message.lower(), wait)
    # What a server says of a wrong key mostly quotes it, in whole or in part.
    return Fault(outcome, "" if outcome == "unauthorized" else message, wait)


def final_error(fault: Fault, where: str, model: str, setting: str) -> ImageragError:
    """The error of an image, or of the whole run, that a fault ends in.

    `where` is the endpoint's address, `setting` where it stands in the settings.
    """
    outcome, said = fault.outcome, fault.message
    if outcome in _OUR_FAULT:
        more = f" Raise {setting}.max_output_tokens." if outcome == "cut_off" else ""
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
    if status == 402 or code in _NO_CREDIT or "credit balance" in message:
        return "no_credit"
    if status in (401, 403) or "api key not valid" in message:
        return "unauthorized"
    if status == 404 or code == "model_not_found" or message.startswith("invalid model"):
        return "unknown_model"
    if status == 429:
        return "rate_limited" if (wait or 0.0) <= LONGEST_WAIT_SECONDS else "no_credit"
    if status in (408, 409, 425) or status >= 500:
        return "server_error"
    filtered = ("content_filter", "content_policy_violation", "moderation_blocked")
    if code in filtered or "content management policy" in message or "safety system" in message:
        return "refused"
    return "bad_request"


def _words(body: object) -> dict[str, Any]:
    """The object of an error's body that has its message: servers differ in how deep it lies, Google's is in a list."""
    if isinstance(body, list) and body:
        body = body[0]
    if isinstance(body, dict) and isinstance(body.get("error"), dict | str):
        body = body["error"]
    return body if isinstance(body, dict) else {"message": body} if isinstance(body, str) else {}


def _googles_wait(details: object) -> float | None:
    """Seconds of the RetryInfo (google.rpc) among an error's details, which stands for a Retry-After."""
    for one in details if isinstance(details, list) else ():
        if isinstance(one, dict) and isinstance(delay := one.get("retryDelay"), str):
            return seconds(delay)
    return None


def _sentence(text: object) -> str:
    """With an end."""
    line = str(text).strip()[:_MESSAGE_LIMIT]
    return line if line.endswith((".", "!", "?")) else f"{line}."


def _causes(error: BaseException) -> Iterator[BaseException]:
    """The error and what caused it, outermost first."""
    found: BaseException | None = error
    while found is not None:
        yield found
        found = found.__cause__ or found.__context__
