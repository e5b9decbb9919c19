{{- /*
All that the controller may do where Canaries live: for the ClusterRole and for the Roles alike.
Nothing is deleted, no Secret is read, and nothing of a workload is written.
*/ -}}
{{- define "canary.rules" -}}
- apiGroups: [canary.delivery]
  resources: [canaries]
  verbs: [get, list, watch, patch]
- apiGroups: [canary.delivery]
  resources: [canaries/status]
  verbs: [patch]
- apiGroups: [split.smi-spec.io]
  resources: [trafficsplits]
  verbs: [get, list, watch, create, update]
- apiGroups: [""]
  resources: [services]
  verbs: [get, list, watch]
- apiGroups: [discovery.k8s.io]
  resources: [endpointslices]
  verbs: [get, list, watch]
- apiGroups: [""]
  resources: [pods]
  verbs: [get, list]
- apiGroups: [metrics.smi-spec.io]
  resources: [deployments, statefulsets, daemonsets, pods, services]
  verbs: [get, list]
- apiGroups: [events.k8s.io]
  resources: [events]
  verbs: [create, patch]
{{- end -}}
