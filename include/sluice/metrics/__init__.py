"""Metrics: what runs came to, and what waits, as numbers for CloudWatch, StatsD or OpenTelemetry.

``catalog`` is the one list of them; ``runs`` and ``backlog`` read them from the ledger, ``queues`` from SQS;
``cloudwatch`` sends them there. When that happens, and who else gets them, is the edge's business.
"""
