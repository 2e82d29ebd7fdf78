"""The feed of the tests of the language, to be changed here too."""

from tests.feed_language.conftest import change_feed, write_feed

__all__ = ["change_feed", "write_feed"]
