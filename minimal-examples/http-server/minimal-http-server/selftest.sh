#!/usr/bin/env bash
# Files, the error document, ranges and validators, asked for with curl; then exact bytes by the rule
# book, peers that mean harm or vanish, and many at once; over HTTP/2 the same.
set -euo pipefail
cd "$(dirname "$0")"
. ../../selftest-lib.sh

need curl
start_server minimal-http-server

get /
expect "status of /" 200 "$STATUS"
expect "type of /" text/html "$(header content-type)"
expect_file "/" mount-origin/index.html "$BODY"
expect_in "security headers" "default-src 'none'" "$(header content-security-policy)"

get /1.png
expect "type of /1.png" image/png "$(header content-type)"
expect_file "/1.png" mount-origin/1.png "$BODY"
get /1.png -r 0-7
expect "status of a range" 206 "$STATUS"
expect "length of a range" 8 "$(wc -c <"$BODY" | tr -d ' ')"
etag=$(header etag)
get /1.png -H "if-none-match: $etag"
expect "status of an unchanged file" 304 "$STATUS"

get /no-such-page.html
expect_in "location of a missing page" /404.html "$(header location)"
get /no-such-page.html -L
expect_file "error document" mount-origin/404.html "$BODY"
get /../Cargo.toml --path-as-is
expect_in "status of a path out of the mount" "$STATUS" "302 403 404"

stop "$PID"

# the access log: a line each, of HTTP/1 and HTTP/2, in the file at the latest when the server has ended
log="$WORK/access.log"
start_server minimal-http-server --log "$log"
get / -A 'agent/1 "x"' -e http://localhost/from
get "/1.png?a=b" -r 0-7 --http2-prior-knowledge
get /none -I
wait_for "$log" '^(127\.0\.0\.1|::1) - - \[[0-9]{2}/[A-Z][a-z]{2}/[0-9]{4}:[0-9:]{8} \+0000\] "GET / HTTP/1\.1" 200 [0-9]+ "http://localhost/from" "agent/1 \\"x\\""$'
wait_for "$log" '"GET /1\.png\?a=b HTTP/2\.0" 206 8 "-" "curl/'
wait_for "$log" '"HEAD /none HTTP/1\.1" 302 0 "-" "curl/'
get / -A last
stop "$PID"
expect "lines of the log" 4 "$(wc -l <"$log" | tr -d ' ')"
expect_in "last line" '"-" "last"' "$(tail -n 1 "$log")"
expect "mode of the log" 600 "$(stat -c %a "$log" 2>/dev/null || stat -f %Lp "$log")"
run_failing minimal-http-server --log "$WORK/none/log"
expect_in "log that can't be" "log_filepath $WORK/none/log" "$OUT"

need_peers
need wrk
start_server minimal-http-server
peer raw_http.py localhost "$PORT"
peer abuse.py localhost "$PORT" --pid "$PID"
wrk -t1 -c50 -d1s "http://localhost:$PORT/index.html" >"$WORK/wrk.log"
expect "errors that wrk met" "" "$(grep -E 'Non-2xx|Socket errors' "$WORK/wrk.log" || true)"
stop "$PID"

# HTTP/2 without TLS, by prior knowledge and by Upgrade
start_server minimal-http-server
for version in --http2-prior-knowledge --http2; do
    get / $version
    expect_in "head, $version" "HTTP/2 200" "$HEAD"
    expect_file "/, $version" mount-origin/index.html "$BODY"
    get /1.png -r 0-7 $version
    expect "length of a range, $version" 8 "$(wc -c <"$BODY" | tr -d ' ')"
done
# by Upgrade alone: some versions of curl can't go on with a connection of prior knowledge
get /no-such-page.html -L --http2
expect_file "error document over HTTP/2" mount-origin/404.html "$BODY"
need nghttp h2load
nghttp -u "http://localhost:$PORT/1.png" >"$WORK/1.png" || fail "nghttp -u"
expect_file "by nghttp -u" mount-origin/1.png "$WORK/1.png"
nghttp -w 10 "http://localhost:$PORT/1.png" >"$WORK/1.png" || fail "nghttp with small windows"
expect_file "by nghttp" mount-origin/1.png "$WORK/1.png"
h2load_all 5000 1 "http://localhost:$PORT/" -m 100
need_h2_peers
peer h2_client.py "http://localhost:$PORT/" --case many --expect mount-origin/index.html
peer h2_abuse.py "http://localhost:$PORT/" --pid "$PID"
stop "$PID"

# out of descriptors: the server goes on with those it has, and takes others when there is room
(ulimit -n 64; exec "$BIN_DIR/minimal-http-server" -p 0) >"$WORK/few.log" 2>&1 </dev/null &
few=$!
PIDS+=("$few")
wait_for "$WORK/few.log" '^open http://localhost:[0-9]+'
PORT=$(sed -nE 's|^open http://localhost:([0-9]+).*|\1|p' "$WORK/few.log")
peer abuse.py localhost "$PORT" --pid "$few" --flood 200 --only flood
stop "$few"

start_server minimal-http-server -s
get /
expect "scheme with -s" https "$SCHEME"
expect_file "/ by https" mount-origin/index.html "$BODY"
stop "$PID"

run_failing minimal-http-server --cert "$WORK/missing.cert"
expect_in "missing certificate" "$WORK/missing.cert" "$OUT"
