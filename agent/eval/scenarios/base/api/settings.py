"""What can be set, and what is used when it is not."""

import os

PORT = int(os.environ.get("PORT", "8000"))
CATALOG_URL = os.environ["CATALOG_URL"]
CATALOG_TIMEOUT = 2.0  # seconds
CATALOG_RETRIES = 1
CACHE_SECONDS = 30
BATCH_SIZE = int(os.environ.get("BATCH_SIZE", "16"))
LOG_LEVEL = os.environ.get("LOG_LEVEL", "INFO")
PROVIDER_URL = os.environ.get("PROVIDER_URL", "http://api.openai.com/v1/chat/completions")
PROVIDER_API_KEY = os.environ.get("PROVIDER_API_KEY", "")
HISTORY_MESSAGES = 10  # of a conversation that are sent along
EXPRESS_DELIVERY = os.environ.get("FEATURE_EXPRESS_DELIVERY", "off") == "on"
