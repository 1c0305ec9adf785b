"""affectd hears how people speak: live audio in, calibrated emotion probabilities out.

The public names are handed on lazily, so that importing ``affectd`` costs nothing:

    import affectd

    async for event in affectd.subscribe("ws://127.0.0.1:8765"):
        print(event["type"], event.get("label"))
"""

from __future__ import annotations

import os
from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from affectd.clients.address import AddressError
    from affectd.clients.publisher import publish, publish_sync
    from affectd.clients.refusal import SubscriptionError
    from affectd.clients.subscriber import subscribe, subscribe_sync
    from affectd.recognizer import Recognizer

__all__ = [
    "AddressError",
    "Recognizer",
    "SubscriptionError",
    "__version__",
    "publish",
    "publish_sync",
    "subscribe",
    "subscribe_sync",
]

__version__ = "0.1.0"

# From 1.29 on ONNX Runtime's own packages tell Microsoft of each session, unless this is set before
# they are loaded: https://github.com/microsoft/onnxruntime/blob/main/docs/Privacy.md
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

_HOMES = {
    "AddressError": "affectd.clients.address",
    "SubscriptionError": "affectd.clients.refusal",
    "Recognizer": "affectd.recognizer",
    "publish": "affectd.clients.publisher",
    "publish_sync": "affectd.clients.publisher",
    "subscribe": "affectd.clients.subscriber",
    "subscribe_sync": "affectd.clients.subscriber",
}


def __getattr__(name: str) -> object:
    """Import a public name from its room when it is first used."""
    if name not in _HOMES:
        raise AttributeError(f"module 'affectd' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
