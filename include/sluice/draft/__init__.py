"""Drafts a feed file from what a sender gives: samples, an XSD, or both.

Samples (``samples``) and XSDs (``schema``) each make a tree of ``Shape``; ``joining`` makes one of two. From the tree
come the record element, the tables, their columns, keys and expectations, and from these the feed file, its golden
case and its notes. Nothing here needs Airflow or a database.
"""
