#!/usr/bin/env bash
# Fetches the servers that tests need and this machine lacks into target/servers. It needs no rights and installs nothing:
# packages are unpacked beside the build. Tests start what is here themselves, and fail where there is none.
set -euo pipefail
cd "$(dirname "$0")/.."
root="$PWD/target/servers/postgresql"

has_postgres() {
  command -v initdb >/dev/null && command -v postgres >/dev/null && return 0
  compgen -G "/usr/lib/postgresql/*/bin/initdb" >/dev/null && return 0
  compgen -G "$root/usr/lib/postgresql/*/bin/initdb" >/dev/null
}

# What a package needs first of all, but for what is installed or unpacked already.
needs() {
  apt-cache depends --no-recommends --no-suggests "$1" 2>/dev/null | sed -n 's/^ *Depends: \([a-z0-9.+-]*\)$/\1/p' |
    while read -r name; do
      dpkg -s "$name" >/dev/null 2>&1 || [ -e "$debs/$name" ] || echo "$name"
    done
}

unpack() {
  (cd "$debs" && apt-get download -qq "$1" >/dev/null && dpkg -x "$1"_*.deb "$root" && touch "$1")
}

if ! has_postgres || [ "${1:-}" = --fetch ]; then
  debs="$PWD/target/servers/packages"
  mkdir -p "$debs" "$root"
  server=$(apt-cache depends postgresql 2>/dev/null | sed -n 's/^ *Depends: \(postgresql-[0-9]*\)$/\1/p' | head -1)
  if [ -z "$server" ]; then
    apt-get update -qq || true
    server=$(apt-cache depends postgresql | sed -n 's/^ *Depends: \(postgresql-[0-9]*\)$/\1/p' | head -1)
  fi
  [ -n "$server" ] || { echo "tests/servers.sh: no package of PostgreSQL is known here; install it, then try again" >&2; exit 1; }
  unpack "$server"
  # Libraries, and the libraries of those; programs and scripts around the server are not needed.
  wanted=$(needs "$server" | grep '^lib' || true)
  while [ -n "$wanted" ]; do
    for name in $wanted; do unpack "$name"; done
    wanted=$(for name in $wanted; do needs "$name" | grep '^lib' || true; done | sort -u)
  done
  has_postgres || { echo "tests/servers.sh: $server was unpacked and has no server in it" >&2; exit 1; }
fi
