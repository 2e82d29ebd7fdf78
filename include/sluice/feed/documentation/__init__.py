"""The documentation of a feed, made of its declaration: as Markdown, as one page of HTML, and for the DAG in Airflow.

``sections`` says what there is to say, in ``blocks``; ``markdown`` and ``html`` write it down; ``source_tree`` is the
XML as the mapping sees it; ``diagram`` and ``drawing`` show the tables and how they hang together.
"""
