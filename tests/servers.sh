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

# Emulators of stores, of these versions, each in a folder of its own.
azurite=3.37.0
dynalite=4.0.0
moto=5.2.5
servers="$PWD/target/servers"

lacks() { echo "tests/servers.sh: $1 is needed for $2, which tests run; install it, then try again" >&2; exit 1; }

for name in azurite dynalite; do
  version=${!name}
  folder="$servers/$name-$version"
  [ -e "$folder/whole" ] && continue
  command -v node >/dev/null || lacks "Node.js (node)" "$name"
  command -v npm >/dev/null || lacks "npm" "$name"
  rm -rf "$folder"
  mkdir -p "$folder"
  npm install --no-audit --no-fund --no-update-notifier --loglevel=error --prefix "$folder" "$name@$version" >/dev/null
  touch "$folder/whole"
done

folder="$servers/moto-$moto"
if [ ! -e "$folder/whole" ]; then
  command -v python3 >/dev/null || lacks "Python 3 (python3)" "moto"
  rm -rf "$folder"
  python3 -m venv "$folder" || lacks "Python's venv (python3-venv)" "moto"
  "$folder/bin/pip" install --quiet --disable-pip-version-check "moto[server]==$moto"
  touch "$folder/whole"
fi
