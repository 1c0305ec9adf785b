"""Unit tests of a client's messages; the sockets around them are tested with the server."""

from __future__ import annotations

import pytest
from tests.engine.parcels import *  # noqa: F403
