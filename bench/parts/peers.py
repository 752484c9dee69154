"""The gateways that are measured, with one upstream for all, a provider and a Coder."""

import base64
import contextlib
import hashlib
import os
import shutil
import sqlite3
import subprocess
import sys
import time
import uuid
from pathlib import Path

from . import browser, load
from .configs import NGINX, POMERIUM, PROXY, UPSTREAM, VESTIBULE
from .system import ROOT, Process, free_ports

PROVIDER_SECONDS = 24 * 3600  # so that no token is refreshed during a measurement

#: The form of made-up tokens, as in wrk.lua, and the number of the first one that is written into a store.
TOKEN = "b%09d-%022d"
FILLED = 500_000_000


class Target:
    """A measured gateway: its address, and its process (`None` for the upstream, which is not measured)."""

    def __init__(self, name, port, process, tls=False, headers=()):
        self.name, self.port, self.process = name, port, process
        self.scheme = "https" if tls else "http"
        self.headers = list(headers)

    def url(self, path):
        return f"{self.scheme}://127.0.0.1:{self.port}{path}"

    def cpu_seconds(self):
        return self.process.cpu_seconds() if self.process else 0.0


class Stage:
    """All programs of a run."""

    def __init__(self, folder, workers, files, gateway=None):
        self.folder, self.workers, self.files = Path(folder), workers, files
        built = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
        self.gateway = (gateway or built / "profiled/vestibule").resolve()
        self.examples = built / "debug/examples"
        names = ("upstream", "sink", "provider", "coder", "gateway", "issuer", "tls")
        self.ports = dict(zip(names, free_ports(len(names))))
        self.user = "00000000-0000-4000-8000-000000000000"
        self.targets = {}
        self.warmed = set()

    def set_up(self):
        self.make_files()
        self.upstream = self.start_upstream()
        here = Path(__file__).parent
        Process("sink", [sys.executable, here / "sink.py", self.ports["sink"]], self.folder).until_open(self.ports["sink"])
        Process(
            "provider",
            [self.examples / "provider-stand-in", "--listen", f"127.0.0.1:{self.ports['provider']}",
             "--access-token-seconds", PROVIDER_SECONDS, "--people", load.PEOPLE],
            self.folder,
        ).until_open(self.ports["provider"])
        Process(
            "coder",
            [self.examples / "coder-stand-in", "--listen", f"127.0.0.1:{self.ports['coder']}",
             "--access-url", f"http://127.0.0.1:{self.ports['gateway']}",
             "--issuer-url", f"http://127.0.0.1:{self.ports['issuer']}/"],
            self.folder,
        ).until_open(self.ports["coder"])
        self.sign_in()
        self.start_targets()

    def make_files(self):
        files = self.folder / "files/api/v2/bench"
        files.mkdir(parents=True)
        (files / "64k").write_bytes(b"x" * (64 << 10))
        with (files / "100m").open("wb") as big:
            big.truncate(load.BIG)
        (self.folder / "files/assets").symlink_to(files)
        for folder in (self.folder, *(self.folder / "files").rglob("*")):
            folder.chmod(0o755)  # nginx's workers run as another user
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
             "-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1",
             "-keyout", self.folder / "tls.key", "-out", self.folder / "tls.crt"],
            check=True, capture_output=True, timeout=30,
        )

    def nginx(self, name, http, access_log="off"):
        config = self.folder / f"{name}.conf"
        config.write_text(NGINX.format(
            name=name, folder=self.folder, workers=self.workers, files=self.files,
            connections=self.files - 100, access_log=access_log, http=http,
        ))
        return Process(name, ["nginx", "-e", "stderr", "-p", self.folder, "-c", config], self.folder)

    def proxy(self, name, port, tls=False, access_log="off"):
        pair = f"ssl_certificate {self.folder}/tls.crt; ssl_certificate_key {self.folder}/tls.key;"
        http = PROXY.format(
            upstream=self.ports["upstream"], port=port, listen="ssl http2" if tls else "", tls=pair if tls else "",
        )
        return self.nginx(name, http, access_log)

    def start_upstream(self):
        return self.nginx("upstream", self.upstream_config()).until_open(self.ports["upstream"])

    def upstream_config(self):
        return UPSTREAM.format(
            coder=self.ports["coder"], sink=self.ports["sink"], port=self.ports["upstream"], folder=self.folder,
            body="x" * 1024, user=self.user,
        )

    def vestibule(self, name, port, issuer, tls=False, level="warn", under=(), program=None, workers=None, pipes=False,
                  seeded=False):
        """A gateway with a copy of the store in which alice is signed in, or with the existing store if `seeded`."""
        store, seed = self.folder / f"{name}-store", self.folder / "seed-store"
        if seed.exists() and not seeded:
            shutil.copytree(seed, store, ignore=shutil.ignore_patterns("*.sock"))
        config = self.folder / f"{name}.yaml"
        pair = f"  tls: {{certificate: {self.folder}/tls.crt, key: {self.folder}/tls.key}}" if tls else ""
        config.write_text(VESTIBULE.format(
            port=port, workers=workers or self.workers, tls=pair, upstream=self.ports["upstream"],
            scheme="https" if tls else "http", issuer=issuer, provider=self.ports["provider"], store=store, level=level,
        ))
        return Process(name, [*under, program or self.gateway, "serve", "--config", config], self.folder, pipes)

    def fresh(self, target, name, port, issuer, tls=False):
        """Another process of the target's kind."""
        if target.name.startswith("vestibule"):
            return self.vestibule(name, port, issuer, tls)
        return self.proxy(name, port, tls)

    def sign_in(self):
        """Signs alice in, and gives the upstream her id for made-up tokens."""
        gateway = self.vestibule("seed", self.ports["gateway"], self.ports["issuer"]).until_open(self.ports["gateway"])
        browser.until_discovered(self.ports["issuer"])
        self.token = browser.sign_in(self.ports["gateway"], "192.0.2.1")
        self.user = browser.user_id(self.ports["gateway"], self.token)
        gateway.stop()
        self.upstream.stop()
        self.upstream = self.start_upstream()

    def start_targets(self):
        cookie = f"Cookie: coder_session_token={self.token}"
        plain, logged, secure, log_gateway, log_issuer, tls_issuer = free_ports(6)

        def add(name, port, process, tls=False):
            if process:
                process.until_open(port)
            self.targets[name] = Target(name, port, process, tls, [cookie])

        add("upstream", self.ports["upstream"], None)
        add("nginx", plain, self.proxy("nginx", plain))
        add("nginx, log", logged, self.proxy("nginx-log", logged, access_log=f"{self.folder}/access.log"))
        add("nginx, TLS", secure, self.proxy("nginx-tls", secure, tls=True), tls=True)
        add("vestibule", self.ports["gateway"], self.vestibule("vestibule", self.ports["gateway"], self.ports["issuer"]))
        add("vestibule, log", log_gateway, self.vestibule("vestibule-log", log_gateway, log_issuer, level="info"))
        add("vestibule, TLS", self.ports["tls"],
            self.vestibule("vestibule-tls", self.ports["tls"], tls_issuer, tls=True), tls=True)
        if os.environ.get("OAUTH2_PROXY_BIN"):
            self.targets["oauth2-proxy"] = self.oauth2_proxy(os.environ["OAUTH2_PROXY_BIN"])
        if os.environ.get("POMERIUM_BIN"):
            self.targets["pomerium"] = self.pomerium(os.environ["POMERIUM_BIN"])

    def filled(self, count):
        """A gateway whose store holds `count` tokens of alice: `TOKEN` with the numbers from `FILLED` on."""
        name = f"tokens-{count}"
        if name not in self.targets:
            port, issuer = free_ports(2)
            store = self.folder / f"{name}-store"
            shutil.copytree(self.folder / "seed-store", store, ignore=shutil.ignore_patterns("*.sock"))
            now = time.time_ns() // 1_000_000
            user = uuid.UUID(self.user).bytes
            rows = ((hashlib.sha256((TOKEN % (n, n)).encode()).digest(), user, "oidc", "presented", now, now, now)
                    for n in range(FILLED, FILLED + count))
            columns = "hash, coder_user, login_type, made_for, created_at, asked_at, last_seen"
            with contextlib.closing(sqlite3.connect(store / "vestibule.db")) as database, database:
                database.executemany(f"INSERT INTO tokens ({columns}) VALUES (?, ?, ?, ?, ?, ?, ?)", rows)
            process = self.vestibule(name, port, issuer, seeded=True).until_open(port)
            self.targets[name] = Target("vestibule", port, process)
        return self.targets[name]

    def oauth2_proxy(self, binary):
        (port,) = free_ports(1)
        process = Process(
            "oauth2-proxy",
            [binary, "--provider=oidc", f"--oidc-issuer-url=http://127.0.0.1:{self.ports['provider']}/application/o/coder/",
             "--client-id=cid", "--client-secret=secret-of-the-client", "--cookie-secret=0123456789abcdef0123456789abcdef",
             "--cookie-secure=false", "--email-domain=*", "--skip-provider-button=true",
             f"--upstream=http://127.0.0.1:{self.ports['upstream']}", f"--http-address=127.0.0.1:{port}",
             f"--redirect-url=http://127.0.0.1:{port}/oauth2/callback",
             "--request-logging=false", "--auth-logging=false", "--standard-logging=false"],
            self.folder,
        ).until_open(port)
        cookies = browser.follow(f"http://127.0.0.1:{port}/oauth2/start?rd=/api/v2/bench/1k")
        return Target("oauth2-proxy", port, process, headers=[f"Cookie: {cookies}"])

    def pomerium(self, binary):
        """A public route with identity headers: Envoy asks Pomerium about each request, but Pomerium looks up no
        session. A route for signed-in users can only cost more."""
        port, grpc, metrics, health = free_ports(4)
        folder = self.folder / "pomerium"
        folder.mkdir()
        secret = base64.b64encode(os.urandom(32)).decode()
        (folder / "config.yaml").write_text(POMERIUM.format(
            port=port, grpc=grpc, metrics=metrics, health=health, secret=secret, provider=self.ports["provider"],
            upstream=self.ports["upstream"],
        ))
        process = Process("pomerium", [binary, "-config", folder / "config.yaml"], self.folder).until_open(port)
        target = Target("pomerium", port, process, headers=["Host: coder.localhost.test"])
        load.until_served(target, "/api/v2/bench/1k")
        return target
