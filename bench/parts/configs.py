"""Templates for the configurations of all programs."""

NGINX = """
worker_processes {workers};
worker_rlimit_nofile {files};
pid {folder}/{name}.pid;
daemon off;
error_log stderr error;
events {{ worker_connections {connections}; }}
http {{
  access_log {access_log};
  default_type application/octet-stream;
  client_body_temp_path {folder}/{name}-body;
  proxy_temp_path {folder}/{name}-proxy;
  fastcgi_temp_path {folder}/{name}-fastcgi;
  uwsgi_temp_path {folder}/{name}-uwsgi;
  scgi_temp_path {folder}/{name}-scgi;
  sendfile on;
  keepalive_requests 1000000000;
  client_max_body_size 0;
  map $http_upgrade $upgrade_or_not {{ default upgrade; '' ''; }}
  {http}
}}
"""

# Serves 1 KiB from memory, the other two sizes from files, the user of a made-up token, and a sink for uploads; the
# stand-in serves everything else.
UPSTREAM = """
  open_file_cache max=10 inactive=1h;
  map $http_coder_session_token $made_up {{ default 0; ~^b[0-9]+- 1; }}
  upstream coder {{ server 127.0.0.1:{coder}; keepalive 64; }}
  upstream sink {{ server 127.0.0.1:{sink}; keepalive 64; }}
  server {{
    listen 127.0.0.1:{port} reuseport backlog=4096;
    root {folder}/files;
    location = /api/v2/bench/1k {{ return 200 "{body}"; }}
    location /api/v2/bench/ {{ }}
    location /assets/ {{ }}
    location = /api/v2/bench/sink {{
      proxy_pass http://sink;
      proxy_http_version 1.1;
      proxy_set_header Connection '';
      proxy_request_buffering off;
    }}
    location = /api/v2/users/me {{
      if ($made_up) {{ return 200 '{{"id":"{user}","login_type":"oidc"}}'; }}
      proxy_pass http://coder;
      proxy_set_header Host $http_host;
    }}
    location / {{
      proxy_pass http://coder;
      proxy_http_version 1.1;
      proxy_set_header Host $http_host;
      proxy_set_header Connection $upgrade_or_not;
      proxy_set_header Upgrade $http_upgrade;
      proxy_read_timeout 1h;
    }}
  }}
"""

# A bare reverse proxy that sends its upstream the same headers as Vestibule and also streams both ways; and the
# cheapest possible refusal.
PROXY = """
  upstream up {{ server 127.0.0.1:{upstream}; keepalive 512; keepalive_requests 1000000000; }}
  server {{
    listen 127.0.0.1:{port} {listen} reuseport backlog=4096;
    {tls}
    location = /.env {{ return 401; }}
    location / {{
      proxy_pass http://up;
      proxy_http_version 1.1;
      proxy_set_header Host $http_host;
      proxy_set_header X-Forwarded-For $remote_addr;
      proxy_set_header X-Forwarded-Proto $scheme;
      proxy_set_header X-Forwarded-Host $http_host;
      proxy_set_header Connection $upgrade_or_not;
      proxy_set_header Upgrade $http_upgrade;
      proxy_request_buffering off;
      proxy_max_temp_file_size 0;
      proxy_read_timeout 1h;
    }}
  }}
"""

VESTIBULE = """
listen:
  address: 127.0.0.1:{port}
  workers: {workers}
  trustedProxies: [127.0.0.1/32]
{tls}
coder:
  url: http://127.0.0.1:{upstream}
  accessURL: {scheme}://127.0.0.1:{port}
  issuer:
    listen: 127.0.0.1:{issuer}
    url: http://127.0.0.1:{issuer}/
    clientSecret: coder-secret
oidc:
  issuerURL: http://127.0.0.1:{provider}/application/o/coder/
  clientID: cid
  clientSecret: secret-of-the-client
  emailDomain: [acme.company]
  scopes: [openid, profile, email, offline_access]
session:
  recheck: 24h
store:
  embedded:
    path: {store}
log:
  level: {level}
"""

POMERIUM = """
address: 127.0.0.1:{port}
insecure_server: true
grpc_address: 127.0.0.1:{grpc}
grpc_insecure: true
http_redirect_addr: ""
metrics_address: 127.0.0.1:{metrics}
health_check_addr: 127.0.0.1:{health}
authenticate_service_url: https://authenticate.localhost.test
idp_provider: oidc
idp_provider_url: http://127.0.0.1:{provider}/application/o/coder/
idp_client_id: cid
idp_client_secret: sec
shared_secret: {secret}
cookie_secret: {secret}
databroker_storage_type: memory
log_level: error
routes:
  - from: http://coder.localhost.test
    to: http://127.0.0.1:{upstream}
    allow_public_unauthenticated_access: true
    pass_identity_headers: true
"""
