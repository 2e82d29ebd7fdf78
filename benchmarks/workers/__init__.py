"""What is measured, each in a process of its own: ``python -m benchmarks.workers NAME JSON`` answers with JSON."""
