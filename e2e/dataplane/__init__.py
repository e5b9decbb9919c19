"""A small real data plane: pods that are processes, an Envoy that carries requests to them, and a load."""
