"""The fixtures of the project's own tests."""

from tests.conftest import compose, refused, trial

__all__ = ["compose", "refused", "trial"]
