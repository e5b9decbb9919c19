"""An embedded Kubernetes cluster for the demo, the tests, the benchmarks and the simulator."""
