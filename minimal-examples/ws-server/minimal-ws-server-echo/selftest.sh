#!/usr/bin/env bash
# Messages of all kinds and sizes come back as they were, compressed or not, to Python, node and
# Chromium; broken frames get their close code; pages of other origins and requests for other hosts are
# refused; and with -o the server ends with its first connection.
set -euo pipefail
cd "$(dirname "$0")"
. ../../selftest-lib.sh

need_peers
start_server minimal-ws-server-echo
url=ws://127.0.0.1:$PORT/
peer ws_client.py "$url" --case all
peer ws_raw.py 127.0.0.1 "$PORT"
peer ws_client.py "$url" --case subprotocol --subprotocol lws-minimal-server-echo
peer ws_client.py "$url" --case echo --subprotocol any-other
peer ws_client.py "$url" --case all --compression deflate
peer ws_client.py "$url" --case deflate
need_h2_peers
for window in 65535 3000; do
    peer h2_client.py "http://127.0.0.1:$PORT/" --case websocket --window "$window"
    peer h2_client.py "http://127.0.0.1:$PORT/" --case websocket --window "$window" --subprotocol lws-minimal-server-echo
done
if has_node_peers; then
    node_peer client "$url"
    for form in default fresh server-small both-small; do
        node_peer client "$url" --deflate "$form"
    done
fi
peer ws_close.py 127.0.0.1 "$PORT" --pid "$PID"
status=0
wait "$PID" || status=$?
expect "exit status after SIGTERM" 0 "$status"

start_server minimal-ws-server-echo -n
failing=0
peer ws_client.py "ws://127.0.0.1:$PORT/" --case echo --compression deflate
(peer ws_client.py "ws://127.0.0.1:$PORT/" --case deflate) >/dev/null 2>&1 || failing=$?
[ "$failing" != 0 ] || fail "-n compresses"
if has_node_peers; then
    node_peer client "ws://127.0.0.1:$PORT/" --deflate default --expect-plain
fi
stop "$PID"

# --- who may connect
mkdir "$WORK/www"
echo '<!doctype html><title>a page</title>' >"$WORK/www/index.html"
start pages "$PYTHON" -u -m http.server 0 --bind 127.0.0.1 --directory "$WORK/www"
pages=$PID
wait_for "$WORK/pages.log" 'port [0-9]+'
origin=http://127.0.0.1:$(sed -nE '1s/.* port ([0-9]+).*/\1/p' "$WORK/pages.log")

start_server minimal-ws-server-echo --origin "$origin" --strict-host
ours=$PID ours_url=ws://localhost:$PORT/
peer ws_client.py "$ours_url" --case echo --origin "$origin"
peer ws_client.py "$ours_url" --case refuse --status 403
peer ws_client.py "$ours_url" --case refuse --status 403 --origin http://evil.example
peer ws_client.py "$ours_url" --case refuse --status 403 --origin null
peer ws_client.py "ws://127.0.0.1:$PORT/" --case refuse --status 421 --origin "$origin"

# another port is another origin
mv "$WORK/minimal-ws-server-echo.log" "$WORK/ours.log"
start_server minimal-ws-server-echo --origin http://127.0.0.1:1
theirs=$PID theirs_url=ws://localhost:$PORT/
mv "$WORK/minimal-ws-server-echo.log" "$WORK/theirs.log"
start_server minimal-ws-server-echo -n
browser=0
peer_status browser_ws.py "$origin/" --deflate "$ours_url" --plain "ws://localhost:$PORT/" \
    --refused "$theirs_url" --refused "${ours_url/localhost/127.0.0.1}" || browser=$?
case $browser in
    0) ;;
    77) skip_part "Chromium against minimal-ws-server-echo" "needs chromium and chromedriver" ;;
    *) fail "browser_ws.py ended with $browser" ;;
esac
stop "$PID"
stop "$theirs"
stop "$ours"
kill "$pages"

start_server minimal-ws-server-echo -s
peer ws_client.py "wss://localhost:$PORT/" --cacert "$LOCALHOST_CERT" --case all
stop "$PID"

start_server minimal-ws-server-echo -o
peer ws_client.py "ws://127.0.0.1:$PORT/" --case binary
status=0
wait "$PID" || status=$?
expect "exit status after the first connection" 0 "$status"
