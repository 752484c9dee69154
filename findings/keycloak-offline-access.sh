#!/usr/bin/env bash
# At Keycloak, a sign-in with the scope offline_access creates no online session.
#
# Program    Keycloak, version 26.7.3 (org.keycloak:keycloak-quarkus-dist)
# Behaviour  With the scope offline_access a sign-in creates only an offline session. Single sign-on cannot use it, and
#            Keycloak sends no back-channel logout for it. Without the scope Keycloak still issues a refresh token, which
#            is valid as long as the online session. OpenID Connect Core 1.0 section 11 requires offline_access for a
#            refresh token that works "even when the End-User is not present".
# Seen       openid                 refresh token: yes  online sessions: 1  offline sessions: 0
#            openid offline_access  refresh token: yes  online sessions: 0  offline sessions: 1
# Source     this script: it uses the grant type password instead of a browser, which creates the same sessions; also seen
#            with a browser and the code flow
# Effect     Leave offline_access out of the scopes for Keycloak.
set -euo pipefail
for tool in java mvn unzip curl python3; do
  command -v "$tool" >/dev/null || { echo "this needs $tool" >&2; exit 69; }
done
folder=$(mktemp -d)
server=
stop() {
  [ -z "$server" ] || { kill "$server" 2>/dev/null || true; wait "$server" 2>/dev/null || true; }
  rm -rf "$folder"
}
trap stop EXIT
cd "$folder"
timeout 300 mvn -q -B org.apache.maven.plugins:maven-dependency-plugin:3.6.1:copy \
  -Dartifact=org.keycloak:keycloak-quarkus-dist:26.7.3:zip -DoutputDirectory="$folder" >/dev/null
unzip -q keycloak-quarkus-dist-26.7.3.zip
rm keycloak-quarkus-dist-26.7.3.zip

port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
management=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
base=http://127.0.0.1:$port
export KC_BOOTSTRAP_ADMIN_USERNAME=admin KC_BOOTSTRAP_ADMIN_PASSWORD=admin
keycloak-26.7.3/bin/kc.sh start-dev --http-host=127.0.0.1 --http-port="$port" --http-management-port="$management" \
  --cache=local >log 2>&1 &
server=$!
for _ in $(seq 600); do
  curl -sf "$base/realms/master" >/dev/null && break
  kill -0 "$server" 2>/dev/null || { tail -n 20 log >&2; exit 1; }
  sleep 1
done
curl -sf "$base/realms/master" >/dev/null || { echo "Keycloak did not start" >&2; exit 1; }

cat >run.py <<'PY'
import json, sys, urllib.parse, urllib.request

base = sys.argv[1]

def ask(method, path, body=None, token=None, form=None):
    data = urllib.parse.urlencode(form).encode() if form else json.dumps(body).encode() if body else None
    request = urllib.request.Request(base + path, data, method=method)
    if body:
        request.add_header("Content-Type", "application/json")
    if token:
        request.add_header("Authorization", "Bearer " + token)
    with urllib.request.urlopen(request, timeout=60) as answer:
        text = answer.read()
    return json.loads(text) if text else None

def tokens(realm, **form):
    return ask("POST", f"/realms/{realm}/protocol/openid-connect/token", form={"grant_type": "password", **form})

def admin():
    return tokens("master", client_id="admin-cli", username="admin", password="admin")["access_token"]

ask("POST", "/admin/realms", {
    "realm": "finding", "enabled": True, "sslRequired": "none",
    "clients": [{"clientId": "client", "secret": "secret", "directAccessGrantsEnabled": True, "redirectUris": ["http://x/"]}],
}, admin())
client = ask("GET", "/admin/realms/finding/clients?clientId=client", token=admin())[0]["id"]
for scope in ["openid", "openid offline_access"]:
    name = "person" + str(len(scope))
    ask("POST", "/admin/realms/finding/users", {
        "username": name, "email": name + "@finding.example", "emailVerified": True, "firstName": "A", "lastName": "B",
        "enabled": True, "credentials": [{"type": "password", "value": "password", "temporary": False}],
    }, admin())
    answer = tokens("finding", client_id="client", client_secret="secret", username=name, password="password", scope=scope)
    user = ask("GET", "/admin/realms/finding/users?username=" + name, token=admin())[0]["id"]
    online = ask("GET", f"/admin/realms/finding/users/{user}/sessions", token=admin())
    offline = ask("GET", f"/admin/realms/finding/users/{user}/offline-sessions/{client}", token=admin())
    given = "yes" if "refresh_token" in answer else "no"
    print(f"{scope:22} refresh token: {given}  online sessions: {len(online)}  offline sessions: {len(offline)}")
PY
timeout 120 python3 run.py "$base" | tee seen
grep -qx 'openid                 refresh token: yes  online sessions: 1  offline sessions: 0' seen
grep -qx 'openid offline_access  refresh token: yes  online sessions: 0  offline sessions: 1' seen
