"""Files that announce themselves: S3 says in an SQS queue what was written, and the feed's DAG starts.

    S3 ─▶ queue ─▶ collector ─▶ inbox (a table of the warehouse) ─▶ fetch of an arrival run
                        └──────▶ rings the feeds that it concerns

An announcement is deleted from its queue only once the inbox has it, and it is taken from the inbox in the transaction
that makes a run's manifest. So whatever dies, and whenever: an announcement is in the queue, in the inbox, or in a
manifest; twice in the queue makes it once in the inbox. The ringing may get lost: it is repeated while the inbox holds
something.
"""
