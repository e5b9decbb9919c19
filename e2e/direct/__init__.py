"""What runs in a network namespace of its own: `e2e/test_direct.py` starts it."""
