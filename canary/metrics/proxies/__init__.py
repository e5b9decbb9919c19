"""The proxies of a running canary as a source: read one by one, once a window, and only while somebody asks."""
