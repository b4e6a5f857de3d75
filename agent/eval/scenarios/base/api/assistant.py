"""Answers questions about products with a hosted language model."""

import json
import logging
import urllib.error
import urllib.request

import settings

log = logging.getLogger("assistant")


class ProviderError(Exception):
    """The provider refused or did not answer."""


def messages(query):
    """The conversation so far, shortened, and the question."""
    history = [{"role": "user", "content": "What do you know about tea? " * 20}] * 400
    return history[-settings.HISTORY_MESSAGES:] + [{"role": "user", "content": query.get("q", "Is it green?")}]


def ask(query):
    body = json.dumps({"model": "gpt-4o-mini", "messages": messages(query)}).encode()
    request = urllib.request.Request(settings.PROVIDER_URL, body, {
        "Content-Type": "application/json", "Authorization": "Bearer " + settings.PROVIDER_API_KEY,
    })
    try:
        with urllib.request.urlopen(request, timeout=5) as answer:
            return {"answer": json.load(answer)["choices"][0]["message"]["content"]}
    except urllib.error.HTTPError as err:
        text = err.read(600).decode(errors="replace")
        log.error("HTTP Request: POST %s \"HTTP/1.1 %d %s\": %s", settings.PROVIDER_URL, err.code, err.reason, text)
        raise ProviderError("%d from %s" % (err.code, settings.PROVIDER_URL)) from err
