{{- define "canary.smiMetrics.fullname" -}}
{{- printf "%s-smi-metrics" (include "canary.fullname" .) -}}
{{- end -}}

{{- /* For what is of the cluster: two releases may have the same name in two namespaces. */ -}}
{{- define "canary.smiMetrics.clusterName" -}}
{{- printf "%s-%s" (include "canary.smiMetrics.fullname" .) .Release.Namespace -}}
{{- end -}}

{{- /* Another name than the controller's, whose selectors would find these pods otherwise. */ -}}
{{- define "canary.smiMetrics.selectorLabels" -}}
app.kubernetes.io/name: {{ include "canary.name" . | trunc 51 | trimSuffix "-" }}-smi-metrics
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "canary.smiMetrics.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{ include "canary.smiMetrics.selectorLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/component: smi-metrics
app.kubernetes.io/part-of: canary
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- with .Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{- define "canary.smiMetrics.secretName" -}}
{{- default (printf "%s-tls" (include "canary.smiMetrics.fullname" .)) .Values.smiMetrics.server.tls.secretName -}}
{{- end -}}
