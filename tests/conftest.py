"""Settings of all tests."""

from __future__ import annotations

import os

from hypothesis import HealthCheck, settings

# Tests are never timed, and in CI a property either holds for the same examples as yesterday or it does not.
settings.register_profile(
    "driftscan",
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
    derandomize=os.environ.get("CI") == "true",
)
settings.load_profile("driftscan")
