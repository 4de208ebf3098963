#!/usr/bin/env bash
# Verifies a server of ours with the TLS of others, by name and by address, always through the authority's certificate.
#
# usage: interop/trust/run.sh SERVER CLIENT CERTS PYTHON GO BUN
#
# PYTHON is the one that has grpcio. BoringSSL: grpcio and Bun; besides them OpenSSL, GnuTLS, NSS, Go, rustls (our client), Python.
set -euo pipefail
server=$1 client=$2 certs=$3 python=$4 go=$5 bun=$6
here=$(dirname "${BASH_SOURCE[0]}")
ca=$certs/ca.crt
work=$(mktemp -d)
pid=
stop() {
  if [ -n "$pid" ]; then kill "$pid" 2>/dev/null && wait "$pid" || true; fi
  rm -rf "$work"
}
trap stop EXIT

"$server" --certs "$certs" --listen '[::]:0' --log-format json >"$work/log" 2>&1 &
pid=$!
for _ in $(seq 200); do
  port=$(sed -nE 's/.*"message":"listening","address":"\[::\]:([0-9]+)".*/\1/p' "$work/log")
  if [ -n "$port" ]; then break; fi
  kill -0 "$pid" || break
  sleep 0.05
done
if [ -z "$port" ]; then
  cat "$work/log" >&2
  exit 1
fi

failed=0
check() { # NAME COMMAND…
  local name=$1
  shift
  if timeout 30 "$@" >"$work/out" 2>&1 </dev/null; then
    echo "trust: $name: verified"
  else
    echo "trust: $name: REFUSED"
    tail -n 15 "$work/out"
    failed=1
  fi
}

for host in localhost 127.0.0.1 ::1; do
  at=$host verify=-verify_ip
  case $host in
    localhost) verify=-verify_hostname ;;
    *:*) at="[$host]" ;;
  esac
  check "OpenSSL, $host" openssl s_client -connect "$at:$port" -CAfile "$ca" -verify_return_error "$verify" "$host" -brief
  check "GnuTLS, $host" gnutls-cli --x509cafile "$ca" --port "$port" "$host"
  check "Go, $host" "$go" get "$ca" "https://$at:$port/healthz"
  check "rustls, $host" "$client" --ca "$ca" "wss://$at:$port/echo" hello
  check "Python, $host" "$python" "$here/get.py" "$ca" "https://$at:$port/healthz"
  check "BoringSSL in grpcio, $host" "$python" "$here/ready.py" "$ca" "$at:$port"
  check "BoringSSL in Bun, $host" "$bun" "$here/get.js" "$ca" "https://$at:$port/healthz"
done

# NSS checks chain, constraints and usage here; its programs add the name.
mkdir "$work/nss"
certutil -N -d "sql:$work/nss" --empty-password
certutil -A -d "sql:$work/nss" -n ca -t C,, -a -i "$ca"
certutil -A -d "sql:$work/nss" -n server -t ,, -a -i "$certs/server.crt"
check "NSS" certutil -V -d "sql:$work/nss" -n server -u V -e
exit "$failed"
