"""A feed tried on files, without a warehouse and without Airflow: what a run would make of them.

``samples`` says which files, ``trial`` takes them through the stages parse and validate, batch by batch as split would
make them, ``census`` looks at what is in them, whether a column reads it or not.
"""
