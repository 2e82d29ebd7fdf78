"""The language of the declarations: what a feed file may say, and what it means."""
