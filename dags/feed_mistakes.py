"""Shows the mistakes in feed files as an import error in the Airflow UI; makes no DAG.

Airflow knows one import error per DAG file, and a file with an error has no DAGs: were the mistakes of one feed raised
in ``feeds.py``, all feeds would stop. So ``feeds.py`` passes over a feed with mistakes, and this file raises them. The
DAG of such a feed leaves the list until its file is right again; its history stays.
"""

from sluice.feed.loading import feeds_root, load_feeds

load_feeds(feeds_root())
