"""`canary demo`: a good release, a broken one and a slow one, with real requests and the real controller.

Everything runs on this machine: the embedded cluster and its traffic in this process, the controller as one of its own.
"""
