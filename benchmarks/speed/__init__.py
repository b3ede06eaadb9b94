"""What the speed benchmarks share: processes to measure in, timing, counting, tracing, printing."""
