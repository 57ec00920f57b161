# The part of selftest.sh that is about HTTP/2: against our own server, nghttpd and Node.
# shellcheck shell=bash

start_server minimal-http-server -s
run minimal-http-client -p "$PORT"
expect_in "what is spoken" "alpn h2" "$OUT"
expect_in "result" "Completed: OK" "$OUT"
run minimal-http-client -p "$PORT" --path /no-such-page.html
expect_in "after a redirect" "status 200" "$OUT"
run minimal-http-client -p "$PORT" --h1 --long-poll
expect_in "what is spoken" "alpn http/1.1" "$OUT"
expect_in "a long poll by http/1.1" "no long poll" "$OUT"
stop "$PID"

KEY=${LOCALHOST_CERT%.cert}.key
if command -v nghttpd >/dev/null; then
    head -c 3000000 /dev/urandom >"$WORK/big"
    # it can't say which free port it took
    for port in 17{681..699}; do
        start nghttpd nghttpd -v -d "$WORK" -a 127.0.0.1 "$port" "$KEY" "$LOCALHOST_CERT"
        for _ in {1..100}; do
            grep -qE "listen|bind|failed|error" "$WORK/nghttpd.log" 2>/dev/null && break
            kill -0 "$PID" 2>/dev/null || break
            sleep 0.05
        done
        if kill -0 "$PID" 2>/dev/null && grep -q listen "$WORK/nghttpd.log"; then break; fi
    done
    run minimal-http-client -l --server 127.0.0.1 -k -p "$port" --path /big
    expect_in "nghttpd" "alpn h2" "$OUT"
    expect_in "nghttpd" "received 3000000 bytes" "$OUT"
    run_failing minimal-http-client -l --server 127.0.0.1 -k -p "$port" --path /none
    expect_in "nghttpd" "status 404" "$OUT"
    kill "$PID"
else
    echo "not run: HTTP/2 from nghttpd, which isn't there"
    [ "${LWS_REQUIRE_PEERS:-}" != 1 ] || fail "no nghttpd"
fi

if command -v node >/dev/null; then
    cat >"$WORK/h2.js" <<'JS'
const [key, cert] = process.argv.slice(2).map((file) => require('fs').readFileSync(file));
const server = require('http2').createSecureServer({ key, cert });
server.on('stream', (stream, headers) => {
  stream.on('error', () => {});
  if (headers[':path'] === '/refuse') return stream.close(7);
  if (headers[':path'] === '/cut') return stream.respond(), stream.write('x', () => stream.destroy(new Error('cut')));
  stream.additionalHeaders({ ':status': 103, link: '</x>' });
  stream.respond({ ':status': 200, 'x-path': headers[':path'] });
  for (let n = 0; n < 100; n += 1) stream.write(Buffer.alloc(5000, n));
  stream.end('end');
});
server.listen(0, '127.0.0.1', () => console.log(`PORT ${server.address().port}`));
JS
    start node node "$WORK/h2.js" "$KEY" "$LOCALHOST_CERT"
    wait_for "$WORK/node.log" '^PORT [0-9]+'
    PORT=$(sed -n 's/^PORT //p' "$WORK/node.log")
    run minimal-http-client -p "$PORT" --long-poll
    expect_in "node" "received 500003 bytes" "$OUT"
    expect_in "node" "Completed: OK" "$OUT"
    run_failing minimal-http-client -p "$PORT" --path /refuse
    expect_in "node" "refused the request twice" "$OUT"
    run_failing minimal-http-client -p "$PORT" --path /cut
    expect_in "node" "Completed: failed" "$OUT"
    kill "$PID"
else
    echo "not run: HTTP/2 from Node, which isn't there"
    [ "${LWS_REQUIRE_PEERS:-}" != 1 ] || fail "no node"
fi
