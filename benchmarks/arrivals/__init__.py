"""Files that announce themselves, through the real stack: how long one takes, and what a storm of them survives."""
