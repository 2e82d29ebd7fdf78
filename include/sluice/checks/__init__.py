"""``sluice check``: what is wrong with a feed, by itself and on samples, as a list of ``findings.Finding``.

``declaration`` reads the feed file. ``sampled`` tries it on files and asks each of ``sampled.SAMPLE_CHECKS``: a class
that takes in what parse and validate made of a batch, and at the end tells what it found. A further check is one more
module and one more name in that list.
"""
