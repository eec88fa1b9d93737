# Prometheus with the exporters of all machines and of the database, and Grafana with the board.
install_packages awscli ca-certificates curl prometheus prometheus-node-exporter prometheus-postgres-exporter docker.io

targets() {
  local port=$1 address
  shift
  for address in "$@"; do echo "      - \"$address:$port\""; done
}
{
  cat <<'END'
global:
  scrape_interval: 5s
  scrape_timeout: 4s

scrape_configs:
  # At the other end of a tunnel, while a run goes on.
  - job_name: mmload
    static_configs:
    - targets: ["localhost:8089"]
  - job_name: postgres
    static_configs:
    - targets: ["localhost:9187"]
  - job_name: mattermost
    static_configs:
    - targets:
END
  # shellcheck disable=SC2086 # addresses with blanks between them
  targets 8067 $APP_ADDRESSES
  printf '  - job_name: node\n    static_configs:\n    - targets:\n'
  # shellcheck disable=SC2086
  targets 9100 localhost "$PROXY_ADDRESS" $APP_ADDRESSES $AGENT_ADDRESSES
} >/etc/prometheus/prometheus.yml
promtool check config /etc/prometheus/prometheus.yml
systemctl restart prometheus

(
  umask 077
  echo "DATA_SOURCE_NAME=$(secret database-of-postgres-exporter)" >/etc/default/prometheus-postgres-exporter
)
systemctl restart prometheus-postgres-exporter

mkdir -p /etc/grafana/provisioning/datasources /etc/grafana/provisioning/dashboards /etc/grafana/boards
cat >/etc/grafana/provisioning/datasources/prometheus.yml <<'END'
apiVersion: 1
datasources:
  - {name: Prometheus, type: prometheus, url: "http://127.0.0.1:9090", isDefault: true}
END
cat >/etc/grafana/provisioning/dashboards/mmload.yml <<'END'
apiVersion: 1
providers:
  - {name: mmload, type: file, options: {path: /etc/grafana/boards}}
END
if [ -n "$BOARD" ]; then
  aws s3 cp --region "$REGION" "$BOARD" /etc/grafana/boards/mmload.json
fi
# Whoever reaches it (its owner's address) may look; nobody may change it.
docker run --detach --name grafana --restart unless-stopped --network host \
  --env GF_AUTH_ANONYMOUS_ENABLED=true --env GF_AUTH_DISABLE_LOGIN_FORM=true --env GF_ANALYTICS_REPORTING_ENABLED=false \
  --volume /etc/grafana/provisioning:/etc/grafana/provisioning:ro --volume /etc/grafana/boards:/etc/grafana/boards:ro \
  grafana/grafana:11.6.1
ready
