# nginx in front of all machines with Mattermost.
install_packages nginx prometheus-node-exporter
{
  echo "upstream mattermost {"
  for address in $APP_ADDRESSES; do
    # One failure of a busy server is no reason to leave it out.
    echo "  server $address:8065 max_fails=0;"
  done
  echo "  keepalive 256;"
  echo "}"
  printf '%s\n' "$NGINX_SITE"
} >/etc/nginx/sites-available/mattermost
ln -sf /etc/nginx/sites-available/mattermost /etc/nginx/sites-enabled/default
sed -i -e 's/worker_connections .*/worker_connections 20000;/' -e '1i worker_rlimit_nofile 100000;' /etc/nginx/nginx.conf
nginx -t
systemctl restart nginx
ready
