"""Other ways from XML into PostgreSQL, each in an environment of its own, for a comparison on the same bytes.

``<peer>_load.py`` are run by that environment's Python, with one argument, JSON: ``path``, ``dsn`` and ``server_pid``.
They load shape B into their own schema of the database and print what it cost as the last line.
"""
