{{/* From .Values.config to ringpost.toml. Helm's own toToml writes every number of the values as a float. */}}

{{- define "ringpost.tomlValue" -}}
{{- if kindIs "bool" . -}}{{ . }}
{{- else if kindIs "string" . -}}{{ toRawJson . }}
{{- else if kindIs "slice" . -}}
{{- $items := list -}}
{{- range . }}{{ $items = append $items (include "ringpost.tomlValue" .) }}{{ end -}}
[{{ join ", " $items }}]
{{- else if or (kindIs "float64" .) (kindIs "int64" .) (kindIs "int" .) -}}
{{- if eq (float64 .) (floor .) -}}{{ int64 . }}{{- else -}}{{ . }}{{- end -}}
{{- else -}}{{ fail (printf "config: %v is no value of an option" .) }}
{{- end -}}
{{- end -}}

{{/* The options of a table, in order, and below them the tables in it (kafka.properties, objects.options). Null: not set. */}}
{{- define "ringpost.tomlTable" -}}
{{- $header := .header -}}
{{ $header }}
{{- range $key, $value := .table }}
{{- if not (or (kindIs "map" $value) (kindIs "invalid" $value)) }}
{{ regexMatch "^[A-Za-z0-9_-]+$" $key | ternary $key (toRawJson $key) }} = {{ include "ringpost.tomlValue" $value }}
{{- end }}
{{- end }}
{{- range $key, $value := .table }}
{{- if kindIs "map" $value }}

{{ include "ringpost.tomlTable" (dict "header" (printf "[%s.%s]" (trimAll "[]" $header) $key) "table" $value) }}
{{- end }}
{{- end }}
{{- end -}}

{{/* What the chart sets, by the section. */}}
{{- define "ringpost.ours" -}}
{{- $secrets := "/var/run/secrets/ringpost" -}}
{{- $server := dict -}}
{{- if .Values.proxyProtocol.enabled -}}
{{- /* There has to be one; nobody reaches this one. */ -}}
{{- $_ := set $server "listen" (list "127.0.0.1:2525") -}}
{{- $_ := set $server "listen_proxy" (list (printf "%s:2526" .Values.listenAddress)) -}}
{{- $_ := set $server "proxy_networks" .Values.proxyProtocol.networks -}}
{{- else -}}
{{- $_ := set $server "listen" (list (printf "%s:2525" .Values.listenAddress)) -}}
{{- end -}}
{{- if .Values.smtps.enabled -}}
{{- $_ := set $server "listen_tls" (list (printf "%s:4465" .Values.listenAddress)) -}}
{{- end -}}
{{- $tls := dict -}}
{{- if include "ringpost.tlsSecret" . -}}
{{- $tls = dict "certificate" (printf "%s/tls/tls.crt" $secrets) "key" (printf "%s/tls/tls.key" $secrets) -}}
{{- end -}}
{{- if .Values.tls.additionalSecretNames -}}
{{- $certificates := list -}}
{{- $keys := list -}}
{{- range $index, $name := .Values.tls.additionalSecretNames -}}
{{- $certificates = append $certificates (printf "%s/tls-%d/tls.crt" $secrets $index) -}}
{{- $keys = append $keys (printf "%s/tls-%d/tls.key" $secrets $index) -}}
{{- end -}}
{{- $_ := set $tls "sni_certificates" $certificates -}}
{{- $_ := set $tls "sni_keys" $keys -}}
{{- end -}}
{{- if .Values.tls.ticketKeysSecretName -}}
{{- $_ := set $tls "ticket_keys" (printf "%s/tickets/ticket.keys" $secrets) -}}
{{- end -}}
{{- $kafka := dict -}}
{{- if .Values.kafkaProperties.existingSecret -}}
{{- $kafka = dict "properties_file" (printf "%s/kafka/%s" $secrets .Values.kafkaProperties.key) -}}
{{- end -}}
{{- dict "server" $server "tls" $tls "kafka" $kafka "admin" (dict "listen" (printf "%s:9925" .Values.listenAddress)) | toJson -}}
{{- end -}}

{{/* Refuses what cannot work, before an object is made. */}}
{{- define "ringpost.validate" -}}
{{- $config := .Values.config -}}
{{- if not ($config.server).hostname }}{{ fail "config.server.hostname is not set: the name that the MX record points to, such as mx.example.net" }}{{ end -}}
{{- if not ($config.recipients).domains }}{{ fail "config.recipients.domains is empty: name the domains that mail is taken for, such as [example.net]" }}{{ end -}}
{{- if not ($config.kafka).brokers }}{{ fail "config.kafka.brokers is not set: kafka-1:9092,kafka-2:9092; \"embedded\" is a broker in each pod's memory, for a trial" }}{{ end -}}
{{- range $section, $options := include "ringpost.ours" . | fromJson }}
{{- range $key, $_ := $options }}
{{- if hasKey (get $config $section | default dict) $key }}{{ fail (printf "config.%s.%s is set by the chart: listenAddress, smtps, proxyProtocol, tls and kafkaProperties decide it" $section $key) }}{{ end }}
{{- end }}
{{- end -}}
{{- if and .Values.proxyProtocol.enabled (not .Values.proxyProtocol.networks) }}{{ fail "proxyProtocol.networks is empty: name the load balancer's networks, such as [10.0.0.0/8]; nobody else is believed" }}{{ end -}}
{{- if and .Values.smtps.enabled (not (include "ringpost.tlsSecret" .)) }}{{ fail "smtps.enabled needs a certificate: tls.secretName or tls.certManager.enabled" }}{{ end -}}
{{- if and .Values.smtps.enabled .Values.proxyProtocol.enabled }}{{ fail "smtps.enabled and proxyProtocol.enabled exclude each other: there is no listener for a PROXY header before TLS" }}{{ end -}}
{{- if and .Values.tls.secretName .Values.tls.certManager.enabled }}{{ fail "tls.secretName and tls.certManager.enabled exclude each other" }}{{ end -}}
{{- if and .Values.tls.certManager.enabled (not .Values.tls.certManager.issuerRef) }}{{ fail "tls.certManager.issuerRef is empty: {name: letsencrypt, kind: ClusterIssuer}" }}{{ end -}}
{{- if and .Values.tls.additionalSecretNames (not (include "ringpost.tlsSecret" .)) }}{{ fail "tls.additionalSecretNames needs a certificate of its own: tls.secretName or tls.certManager.enabled" }}{{ end -}}
{{- range tuple "serve" "check" "metrics" }}
{{- if hasKey $.Values.consumers . }}{{ fail (printf "consumers.%s: choose another name; the chart has objects of this one" .) }}{{ end }}
{{- end -}}
{{- if and .Values.podMonitor.enabled .Values.serviceMonitor.enabled }}{{ fail "podMonitor.enabled and serviceMonitor.enabled exclude each other: every series would be there twice" }}{{ end -}}
{{- end -}}

{{- define "ringpost.toml" -}}
{{- include "ringpost.validate" . -}}
{{- $ours := include "ringpost.ours" . | fromJson -}}
{{- $all := merge (dict) $ours (omit .Values.config "routes") -}}
{{- range $section, $table := $all }}
{{- if $table }}
{{ include "ringpost.tomlTable" (dict "header" (printf "[%s]" $section) "table" $table) }}
{{ end }}
{{- end }}
{{- range .Values.config.routes }}
{{ include "ringpost.tomlTable" (dict "header" "[[routes]]" "table" .) }}
{{ end }}
{{- end -}}
