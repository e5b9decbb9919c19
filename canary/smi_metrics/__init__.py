"""`canary smi-metrics`: an API server for metrics.smi-spec.io/v1alpha1, behind the aggregator of kube-apiserver."""
