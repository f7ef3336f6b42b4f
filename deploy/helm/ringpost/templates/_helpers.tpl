{{/* Names, labels, and what several templates say alike. */}}

{{- define "ringpost.name" -}}
{{- .Values.nameOverride | default .Chart.Name | trunc 63 | trimSuffix "-" -}}
{{- end -}}

{{- define "ringpost.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 50 | trimSuffix "-" -}}
{{- else -}}
{{- $name := include "ringpost.name" . -}}
{{- if contains $name .Release.Name -}}
{{- .Release.Name | trunc 50 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name $name | trunc 50 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- define "ringpost.selectorLabels" -}}
app.kubernetes.io/name: {{ include "ringpost.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "ringpost.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{ include "ringpost.selectorLabels" . }}
app.kubernetes.io/version: {{ .Values.image.tag | default .Chart.AppVersion | trunc 63 | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- with .Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{- define "ringpost.serviceAccountName" -}}
{{- if .Values.serviceAccount.create -}}
{{- .Values.serviceAccount.name | default (include "ringpost.fullname" .) -}}
{{- else -}}
{{- .Values.serviceAccount.name | default "default" -}}
{{- end -}}
{{- end -}}

{{- define "ringpost.image" -}}
{{- if .Values.image.digest -}}
{{- printf "%s@%s" .Values.image.repository .Values.image.digest -}}
{{- else -}}
{{- printf "%s:%s" .Values.image.repository (.Values.image.tag | default .Chart.AppVersion) -}}
{{- end -}}
{{- end -}}

{{/* The Secret with the certificate; empty where there is no TLS. */}}
{{- define "ringpost.tlsSecret" -}}
{{- if .Values.tls.secretName -}}
{{- .Values.tls.secretName -}}
{{- else if .Values.tls.certManager.enabled -}}
{{- printf "%s-tls" (include "ringpost.fullname" .) -}}
{{- end -}}
{{- end -}}

{{/* Seconds, rounded up, of a duration of the configuration: 500ms, 35s, 2min, 1h. */}}
{{- define "ringpost.seconds" -}}
{{- $text := . | toString | replace " " "" | lower -}}
{{- $number := regexFind "^[0-9]+" $text | int64 -}}
{{- $unit := regexFind "[a-z]+$" $text -}}
{{- if eq $unit "ms" -}}{{ div (add $number 999) 1000 }}
{{- else if eq $unit "s" -}}{{ $number }}
{{- else if or (eq $unit "min") (eq $unit "m") -}}{{ mul $number 60 }}
{{- else if eq $unit "h" -}}{{ mul $number 3600 }}
{{- else -}}{{ fail (printf "config.server.drain_timeout: %q is no duration: write 35s, 2min or 1h" (toString .)) }}
{{- end -}}
{{- end -}}

{{/* How long a pod needs to end: balancers learn of it, transactions end, and the process itself. */}}
{{- define "ringpost.grace" -}}
{{- $drain := include "ringpost.seconds" ((.Values.config.server).drain_timeout | default "35s") | int64 -}}
{{- $least := add (int64 .Values.preStopSeconds) $drain 10 -}}
{{- if kindIs "invalid" .Values.terminationGracePeriodSeconds -}}
{{- $least -}}
{{- else if lt (int64 .Values.terminationGracePeriodSeconds) $least -}}
{{- fail (printf "terminationGracePeriodSeconds: %d is too short: preStopSeconds (%d), config.server.drain_timeout (%d s) and ten seconds are %d" (int64 .Values.terminationGracePeriodSeconds) (int64 .Values.preStopSeconds) $drain $least) -}}
{{- else -}}
{{- int64 .Values.terminationGracePeriodSeconds -}}
{{- end -}}
{{- end -}}

{{/* The pod's security context, with the seccomp profile that ioUring asks for. */}}
{{- define "ringpost.podSecurityContext" -}}
{{- $profile := dict "type" "RuntimeDefault" -}}
{{- if .Values.ioUring.localhostProfile -}}
{{- $profile = dict "type" "Localhost" "localhostProfile" .Values.ioUring.localhostProfile -}}
{{- end -}}
{{- $context := dict "seccompProfile" $profile -}}
{{- range $key, $value := .Values.podSecurityContext -}}
{{- if not (kindIs "invalid" $value) -}}
{{- $_ := set $context $key $value -}}
{{- end -}}
{{- end -}}
{{- toYaml $context -}}
{{- end -}}

{{/* What every container of ringpost sees: the file, and the chart's values of what is the user's. */}}
{{- define "ringpost.env" -}}
- name: RINGPOST_CONFIG
  value: /etc/ringpost/ringpost.toml
{{- with .extraEnv }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{- define "ringpost.volumeMounts" -}}
- name: config
  mountPath: /etc/ringpost
  readOnly: true
{{- if .Values.kafkaProperties.existingSecret }}
- name: kafka
  mountPath: /var/run/secrets/ringpost/kafka
  readOnly: true
{{- end }}
{{- if include "ringpost.tlsSecret" . }}
- name: tls
  mountPath: /var/run/secrets/ringpost/tls
  readOnly: true
{{- end }}
{{- range $index, $name := .Values.tls.additionalSecretNames }}
- name: tls-{{ $index }}
  mountPath: /var/run/secrets/ringpost/tls-{{ $index }}
  readOnly: true
{{- end }}
{{- if .Values.tls.ticketKeysSecretName }}
- name: tickets
  mountPath: /var/run/secrets/ringpost/tickets
  readOnly: true
{{- end }}
{{- with .Values.extraVolumeMounts }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/* Files of Secrets can be read by the pod's group (fsGroup) alone. No subPath: what is mounted by one is never updated. */}}
{{- define "ringpost.volumes" -}}
- name: config
  configMap:
    name: {{ include "ringpost.fullname" . }}
{{- with .Values.kafkaProperties.existingSecret }}
- name: kafka
  secret:
    secretName: {{ . }}
    defaultMode: 0440
{{- end }}
{{- with include "ringpost.tlsSecret" . }}
- name: tls
  secret:
    secretName: {{ . }}
    defaultMode: 0440
{{- end }}
{{- range $index, $name := .Values.tls.additionalSecretNames }}
- name: tls-{{ $index }}
  secret:
    secretName: {{ $name }}
    defaultMode: 0440
{{- end }}
{{- with .Values.tls.ticketKeysSecretName }}
- name: tickets
  secret:
    secretName: {{ . }}
    defaultMode: 0440
{{- end }}
{{- with .Values.extraVolumes }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/* Where pods run, and as whom; the same for the server, the consumers and the test. */}}
{{- define "ringpost.placement" -}}
serviceAccountName: {{ include "ringpost.serviceAccountName" . }}
automountServiceAccountToken: {{ .Values.serviceAccount.automountToken }}
enableServiceLinks: false
{{- with .Values.imagePullSecrets }}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end }}
securityContext:
  {{- include "ringpost.podSecurityContext" . | nindent 2 }}
{{- with .Values.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- with .Values.runtimeClassName }}
runtimeClassName: {{ . }}
{{- end }}
{{- with .Values.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.affinity }}
affinity:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{/* Spread pods of a component: the list of the values, or nodes and zones as far as possible. Pods of another version are not
counted, so that an update spreads as well as an installation. */}}
{{- define "ringpost.spread" -}}
{{- $selector := dict "matchLabels" (merge (dict "app.kubernetes.io/component" .component) (fromYaml (include "ringpost.selectorLabels" .root))) -}}
{{- $spread := list -}}
{{- if kindIs "invalid" .root.Values.topologySpreadConstraints -}}
{{- range list "kubernetes.io/hostname" "topology.kubernetes.io/zone" -}}
{{- $spread = append $spread (dict "maxSkew" 1 "topologyKey" . "whenUnsatisfiable" "ScheduleAnyway" "matchLabelKeys" (list "pod-template-hash")) -}}
{{- end -}}
{{- else -}}
{{- $spread = .root.Values.topologySpreadConstraints -}}
{{- end -}}
{{- $selected := list -}}
{{- range $spread -}}
{{- $selected = append $selected (merge (dict) . (dict "labelSelector" $selector)) -}}
{{- end -}}
{{- with $selected -}}
topologySpreadConstraints:
{{ toYaml . }}
{{- end -}}
{{- end -}}

{{- define "ringpost.checksum" -}}
checksum/config: {{ include "ringpost.toml" . | sha256sum }}
{{- end -}}
