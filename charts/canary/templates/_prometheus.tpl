{{- /*
The one Prometheus of the release, as options and files of whoever asks it: the controller, and the server of the SMI
metrics API.
*/ -}}
{{- define "canary.prometheus.args" -}}
{{- $prometheus := .Values.prometheus -}}
- --prometheus-url={{ $prometheus.url }}
- --pack={{ $prometheus.packOverrides | empty | ternary $prometheus.pack "/etc/canary/pack/pack.yaml" }}
{{- if $prometheus.ca.secretName }}
- --prometheus-ca-file=/etc/canary/prometheus-ca/{{ $prometheus.ca.key }}
{{- end }}
{{- if $prometheus.token.secretName }}
- --prometheus-token-file=/etc/canary/prometheus-token/{{ $prometheus.token.key }}
{{- end }}
{{- end -}}

{{- define "canary.prometheus.packName" -}}
{{- printf "%s-pack" (include "canary.fullname" .) -}}
{{- end -}}

{{- /* A list of volumes, empty without files. Secrets are read by the group that the pods run as. */ -}}
{{- define "canary.prometheus.volumes" -}}
{{- $prometheus := .Values.prometheus -}}
{{- if $prometheus.url -}}
{{- if $prometheus.ca.secretName }}
- name: prometheus-ca
  secret:
    secretName: {{ $prometheus.ca.secretName }}
    defaultMode: 0440
{{- end }}
{{- if $prometheus.token.secretName }}
- name: prometheus-token
  secret:
    secretName: {{ $prometheus.token.secretName }}
    defaultMode: 0440
{{- end }}
{{- if $prometheus.packOverrides }}
- name: pack
  configMap:
    name: {{ include "canary.prometheus.packName" . }}
{{- end }}
{{- end -}}
{{- end -}}

{{- /* Each of these volumes lies in /etc/canary under its own name. */ -}}
{{- define "canary.prometheus.mounts" -}}
{{- range include "canary.prometheus.volumes" . | fromYamlArray }}
- {name: {{ .name }}, mountPath: /etc/canary/{{ .name }}, readOnly: true}
{{- end }}
{{- end -}}

{{- /* Annotations of both Deployments' pods: another pack is read by new pods. */ -}}
{{- define "canary.podAnnotations" -}}
{{- $pack := dict -}}
{{- if and .Values.prometheus.url .Values.prometheus.packOverrides -}}
{{- $pack = dict "canary.delivery/pack" (include "canary.prometheus.pack" . | sha256sum) -}}
{{- end -}}
{{- with merge $pack .Values.podAnnotations }}
annotations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{- define "canary.prometheus.pack" -}}
{{- $name := .Values.prometheus.pack -}}
{{- $overrides := .Values.prometheus.packOverrides -}}
{{- if kindIs "string" $overrides -}}
name: {{ $name }}
{{ $overrides }}
{{- else -}}
{{- merge (dict "name" $name) $overrides | toYaml -}}
{{- end -}}
{{- end -}}
