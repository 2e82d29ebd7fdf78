"""The totals that senders state in their files: what is stated, what is found, and whether it is the same.

``stated`` hears them in the streams that parse reads, ``found`` counts what parse makes of these, ``books`` keeps both
in the ledger and compares them.
"""
