# What all machines do first: be known by the key that their owner expects, and end by themselves at their time.
# Variables stand before it, and the script of the machine's role comes after it.
set -euo pipefail
export DEBIAN_FRONTEND=noninteractive
state=/var/lib/mmload
mkdir -p "$state"
rm -f "$state/ready" "$state/failed"
# Who waits for this machine is told why it will not come.
trap 'echo "line $LINENO: $BASH_COMMAND" >"$state/failed"' ERR

if [ -n "${SSH_HOST_KEY:-}" ]; then
  rm -f /etc/ssh/ssh_host_*
  (umask 077 && printf '%s\n' "$SSH_HOST_KEY" >/etc/ssh/ssh_host_ed25519_key)
  ssh-keygen -y -f /etc/ssh/ssh_host_ed25519_key >/etc/ssh/ssh_host_ed25519_key.pub
  unset SSH_HOST_KEY
  systemctl restart ssh
fi

cat >/usr/local/sbin/mmload-expire <<'END'
#!/bin/bash
# Ends this machine at the time that its tag expires-at says; when it could never be read, after an hour.
set -euo pipefail
metadata=http://169.254.169.254/latest
known=/var/lib/mmload/expires-at

ask() { curl --fail --silent --show-error --max-time 5 "$@"; }

if token=$(ask --request PUT --header 'X-aws-ec2-metadata-token-ttl-seconds: 60' "$metadata/api/token") &&
  said=$(ask --header "X-aws-ec2-metadata-token: $token" "$metadata/meta-data/tags/instance/expires-at") &&
  [ -n "$said" ] && date --date "$said" >/dev/null; then
  printf '%s\n' "$said" >"$known"
elif [ ! -s "$known" ]; then
  date --utc --date '1 hour' '+%Y-%m-%dT%H:%M:%SZ' >"$known"
fi
if [ "$(date +%s)" -ge "$(date --date "$(cat "$known")" +%s)" ]; then
  shutdown -P now "mmload: the time of this machine has come"
fi
END
chmod 755 /usr/local/sbin/mmload-expire

cat >/etc/systemd/system/mmload-expire.service <<'END'
[Unit]
Description=End this machine when its time has come

[Service]
Type=oneshot
ExecStart=/usr/local/sbin/mmload-expire
END
cat >/etc/systemd/system/mmload-expire.timer <<'END'
[Unit]
Description=Look each minute whether the time of this machine has come

[Timer]
OnActiveSec=0
OnUnitActiveSec=60

[Install]
WantedBy=timers.target
END
systemctl daemon-reload
systemctl enable --now mmload-expire.timer

# Many connections: of users on a machine for load, of clients on a server.
cat >/etc/security/limits.d/mmload.conf <<'END'
* - nofile 262144
root - nofile 262144
END
cat >/etc/sysctl.d/60-mmload.conf <<'END'
net.ipv4.ip_local_port_range = 1025 65000
net.ipv4.tcp_fin_timeout = 30
net.ipv4.tcp_tw_reuse = 1
net.core.somaxconn = 4096
net.ipv4.tcp_max_syn_backlog = 8192
END
sysctl --quiet --system

# The first answer of a mirror may be late.
install_packages() {
  apt-get -o Acquire::Retries=5 update -q
  apt-get -o Acquire::Retries=5 install -q -y --no-install-recommends "$@"
}

# A secret of this deployment: by the role of the machine, not by its user data. Each has "=" before it.
secret() {
  local value
  value=$(aws ssm get-parameter --region "$REGION" --name "$PARAMETERS$1" --with-decryption --query Parameter.Value --output text)
  printf '%s' "${value#=}"
}

ready() { touch "$state/ready"; }
