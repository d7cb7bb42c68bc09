{{- define "neuron.image" -}}
{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}
{{- end }}

{{- define "neuron.labels" -}}
app.kubernetes.io/part-of: neuron-tools
app.kubernetes.io/managed-by: {{ .Release.Service }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
{{- end }}

{{/* Nodes with Neuron Devices: simulated ones, or those of the instance types. */}}
{{- define "neuron.placement" -}}
{{- if .Values.simulated.enabled }}
{{- with .Values.simulated.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- else }}
affinity:
  nodeAffinity:
    requiredDuringSchedulingIgnoredDuringExecution:
      nodeSelectorTerms:
        - matchExpressions:
            - key: node.kubernetes.io/instance-type
              operator: In
              values: {{ toJson .Values.neuronInstances }}
{{- end }}
{{- end }}

{{- define "neuron.pullSecrets" -}}
{{- with .Values.imagePullSecrets }}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{- define "neuron.securityContext" -}}
allowPrivilegeEscalation: false
privileged: false
readOnlyRootFilesystem: true
capabilities:
  drop: [ALL]
{{- end }}

{{/* The user of pods that use the simulated node. */}}
{{- define "neuron.simulatedUser" -}}
runAsUser: {{ .Values.simulated.runAsUser }}
{{- if ne (int .Values.simulated.runAsUser) 0 }}
runAsNonRoot: true
{{- end }}
{{- end }}

{{- define "neuron.source" -}}
{{- if .Values.simulated.enabled -}}sim{{- else -}}sysfs{{- end -}}
{{- end }}

{{- define "neuron.simulatedMount" -}}
{{- if .Values.simulated.enabled }}
- name: node
  mountPath: {{ .Values.simulated.root }}
{{- end }}
{{- end }}

{{- define "neuron.simulatedVolume" -}}
{{- if .Values.simulated.enabled }}
- name: node
  hostPath: {path: {{ .Values.simulated.root }}, type: DirectoryOrCreate}
{{- end }}
{{- end }}
