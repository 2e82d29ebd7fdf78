"""The laptop stack: PostgreSQL, an AWS emulator and Airflow as local processes, kept in one folder.

``running.up`` starts what is not running, ``running.down`` ends what this folder started and nothing else.
"""
