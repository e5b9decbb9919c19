"""Speed and memory of the controller, measured from outside: `python -m bench`."""
