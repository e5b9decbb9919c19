"""The API server of the embedded cluster: a pure handler, its storage, and two faces, with sockets and without."""
