"""Once a day, clears away what the feeds need not keep any longer; see ``retention`` in the feed files."""

from sluice.edge.housekeeping import housekeeping

housekeeping()
