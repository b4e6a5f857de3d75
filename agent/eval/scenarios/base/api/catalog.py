"""Asks the catalogue for prices and keeps them for a while."""

import json
import logging
import threading
import time
import urllib.error
import urllib.request

import metrics
import settings

log = logging.getLogger("catalog")
prices = {}  # sku -> (price, kept until)
lock = threading.Lock()


def fetch(path):
    """One answer of the catalogue, asked for again where it fails."""
    for attempt in range(settings.CATALOG_RETRIES + 1):
        metrics.count("catalog_requests_total")
        try:
            with urllib.request.urlopen(settings.CATALOG_URL + path, timeout=settings.CATALOG_TIMEOUT) as answer:
                return json.load(answer)
        except OSError as err:
            if attempt == settings.CATALOG_RETRIES:
                raise
            log.warning("GET %s%s failed: %s, attempt %d", settings.CATALOG_URL, path, err, attempt + 1)


def price(sku):
    with lock:
        known, until = prices.get(sku, (None, 0))
        if time.monotonic() < until:
            metrics.count("cache_hits_total")
            return known
        metrics.count("cache_misses_total")
        found = fetch("/price?sku=" + sku)
        prices[sku] = (found, time.monotonic() + settings.CACHE_SECONDS)
        return found
