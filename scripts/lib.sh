# Shared by the scripts here and .ci/run. They source it in bash with -euo pipefail, and set `root` to the folder of the
# repository. Each need_... function makes sure that a tool is there, installs it if it can, and ends the
# script with what to install if it cannot.

# say TEXT: the heading of a step. die TEXT: ends with 69, EX_UNAVAILABLE of sysexits.h. have TOOL: whether it is there.
say() { printf '\n== %s\n' "$*" >&2; }
die() { printf '%s: %s\n' "$(basename "$0")" "$*" >&2; exit 69; }
have() { command -v "$1" >/dev/null 2>&1; }

# apt_install PACKAGE...: installs Debian packages, as root or with a sudo that asks for no password.
apt_install() {
  local as=()
  if [ "$(id -u)" != 0 ]; then
    sudo -n true 2>/dev/null || die "please install: $*"
    as=(sudo -n)
  fi
  have apt-get || die "please install: $*"
  say "installing $*"
  timeout 300 "${as[@]}" apt-get -q update >&2
  timeout 900 "${as[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -q -y --no-install-recommends install "$@" >&2
}

need_rust() {
  have cargo || die "cargo is missing: install Rust from https://rustup.rs and start again"
  have cc || apt_install gcc libc6-dev
}

# Versions of the cargo tools that are installed when missing; the Dockerfile names the same ones.
CARGO_AUDITABLE=0.7.7
CARGO_CYCLONEDX=0.5.9

# need_cargo_tool NAME VERSION: a cargo subcommand, built once when it is missing.
need_cargo_tool() {
  have "$1" && return
  say "installing $1 $2"
  timeout 1800 cargo install --locked "$1@$2" >&2
}

node_major() { node -p 'process.versions.node.split(".")[0]' 2>/dev/null || echo 0; }

# Node.js 20 or newer: the one in PATH, otherwise Debian's, otherwise (Debian 12 has 18) one from npm under target/.
need_node() {
  local tools=$root/target/node-22
  have npm || apt_install nodejs npm
  [ "$(node_major)" -ge 20 ] && return
  [ -x "$tools/node_modules/.bin/node" ] || timeout 600 npm install --prefix "$tools" --no-save node@22 >&2
  PATH=$tools/node_modules/.bin:$PATH
  export PATH
  [ "$(node_major)" -ge 20 ] || die "please install Node.js 20 or newer"
}

# The packages of e2e/: installed again only when the lock file has changed.
need_e2e_packages() {
  local stamp=$root/e2e/node_modules/.lock-installed
  cmp -s "$root/e2e/package-lock.json" "$stamp" && return
  say "npm ci in e2e"
  (cd "$root/e2e" && timeout 600 npm ci --no-fund --no-audit --loglevel=error >&2)
  cp "$root/e2e/package-lock.json" "$stamp"
}

# Chromium for the browser suite; CHROMIUM names another binary.
need_chromium() {
  CHROMIUM=${CHROMIUM:-$(command -v chromium || command -v chromium-browser || command -v google-chrome || true)}
  [ -n "$CHROMIUM" ] || { apt_install chromium; CHROMIUM=$(command -v chromium); }
  export CHROMIUM
}

# PostgreSQL's server programs, which a real Coder needs. PGBIN names another folder.
need_postgres() {
  local newest
  newest() { compgen -G '/usr/lib/postgresql/*/bin/initdb' | sort -V | tail -n 1; }
  [ -n "${PGBIN:-}" ] || PGBIN=$(dirname "$(newest || command -v initdb || echo .)")
  [ -x "$PGBIN/initdb" ] || { apt_install postgresql; PGBIN=$(dirname "$(newest)"); }
  export PGBIN
}

# What bench/run needs in addition to Rust.
need_bench_tools() {
  local missing=()
  have nginx || missing+=(nginx-light)
  have wrk || missing+=(wrk)
  have h2load || missing+=(nghttp2-client)
  have openssl || missing+=(openssl)
  have python3 || missing+=(python3)
  [ ${#missing[@]} = 0 ] || apt_install "${missing[@]}"
}

# What bench/run --counts needs in addition.
need_valgrind() { have valgrind || apt_install valgrind; }

# llvm-profdata of the LLVM version that rustc has, because it reads the files of no other: LLVM_PROFDATA, else the
# toolchain's own (rustup component add llvm-tools), else Debian's.
need_profdata() {
  local major own
  major=$(rustc -vV | sed -n 's/^LLVM version: \([0-9]*\).*/\1/p')
  own=$(rustc --print target-libdir)/../bin/llvm-profdata
  if [ -z "${LLVM_PROFDATA:-}" ] && [ -x "$own" ]; then LLVM_PROFDATA=$own; fi
  if [ -z "${LLVM_PROFDATA:-}" ]; then
    have "llvm-profdata-$major" || apt_install "llvm-$major"
    LLVM_PROFDATA=llvm-profdata-$major
  fi
}
