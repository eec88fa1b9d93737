# Mattermost, from an archive or an image. What it is told by its environment can't be changed in the System Console.
install_packages awscli ca-certificates curl jq prometheus-node-exporter

data_source=$(secret database)
replicas=$(secret database-replicas)
licence=$(secret licence)
(umask 077 && mkdir -p /etc/mattermost)
(
  umask 077
  # A line for each; values are plain text for systemd and docker alike.
  {
    echo "MM_SQLSETTINGS_DRIVERNAME=postgres"
    echo "MM_SQLSETTINGS_DATASOURCE=$data_source"
    echo "MM_SQLSETTINGS_DATASOURCEREPLICAS=$replicas"
    echo "MM_SERVICESETTINGS_LISTENADDRESS=:8065"
    echo "MM_FILESETTINGS_DRIVERNAME=amazons3"
    echo "MM_FILESETTINGS_AMAZONS3BUCKET=$BUCKET"
    echo "MM_FILESETTINGS_AMAZONS3REGION=$REGION"
    echo "MM_FILESETTINGS_AMAZONS3PATHPREFIX=files"
    echo "MM_METRICSSETTINGS_ENABLE=true"
    echo "MM_METRICSSETTINGS_LISTENADDRESS=:8067"
    if [ -n "$SITE_URL" ]; then echo "MM_SERVICESETTINGS_SITEURL=$SITE_URL"; fi
    if [ -n "$licence" ]; then echo "MM_LICENSE=$licence"; fi
    if [ -n "$CLUSTER" ]; then
      echo "MM_CLUSTERSETTINGS_ENABLE=true"
      echo "MM_CLUSTERSETTINGS_CLUSTERNAME=$CLUSTER"
    fi
  } >/etc/mattermost/environment
  # Ours, and what its owner wants otherwise.
  cat >/etc/mattermost/ours.json <<'END'
{
  "ServiceSettings": {"EnableLocalMode": true},
  "TeamSettings": {"EnableOpenServer": true, "EnableUserCreation": true, "MaxUsersPerTeam": 100000, "MaxChannelsPerTeam": 100000},
  "RateLimitSettings": {"Enable": false},
  "EmailSettings": {"SendEmailNotifications": false, "RequireEmailVerification": false},
  "LogSettings": {"EnableConsole": true, "ConsoleLevel": "INFO", "EnableFile": true, "EnableDiagnostics": false}
}
END
  secret config-patch | jq --slurp '.[0] * .[1]' /etc/mattermost/ours.json - >/etc/mattermost/config.json
)

if [ -n "$IMAGE" ]; then
  install_packages docker.io
  mkdir -p /opt/mattermost/config
  mv /etc/mattermost/config.json /opt/mattermost/config/config.json
  # The image's user.
  chown -R 2000:2000 /opt/mattermost
  docker run --detach --name mattermost --restart unless-stopped --network host --ulimit nofile=262144 \
    --env-file /etc/mattermost/environment --volume /opt/mattermost/config:/mattermost/config "$IMAGE"
else
  curl --fail --silent --show-error --location --retry 5 "$PACKAGE" | tar --extract --gzip --directory /opt
  useradd --system --user-group --home-dir /opt/mattermost mattermost
  mkdir -p /opt/mattermost/data /opt/mattermost/logs
  mv /etc/mattermost/config.json /opt/mattermost/config/config.json
  chown -R mattermost:mattermost /opt/mattermost
  cat >/etc/systemd/system/mattermost.service <<'END'
[Unit]
Description=Mattermost
After=network-online.target
Wants=network-online.target

[Service]
User=mattermost
WorkingDirectory=/opt/mattermost
EnvironmentFile=/etc/mattermost/environment
ExecStart=/opt/mattermost/bin/mattermost
Restart=always
RestartSec=5
LimitNOFILE=262144

[Install]
WantedBy=multi-user.target
END
  systemctl daemon-reload
  systemctl enable --now mattermost
fi
curl --fail --silent --show-error --output /dev/null --retry 60 --retry-delay 2 --retry-all-errors \
  http://127.0.0.1:8065/api/v4/system/ping
ready
