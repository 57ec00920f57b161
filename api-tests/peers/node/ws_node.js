'use strict';
// A WebSocket peer by the npm package `ws`, with or without permessage-deflate.
//
//   ws_node.js client URL [--deflate FORM] [--expect-plain]   against an echo server
//   ws_node.js server [--deflate FORM] [--max-seconds N]      for an echo client
//
// FORM is one of the parameter sets below. Both send text, binary, empty and large messages, fragments
// and pings, and check that each comes back as it was; and that compression was agreed upon, or not.
// The client exits with 0 or 1. The server prints `PORT n`, then for each connection
// `CLOSED code` or `FAIL why`; it goes on until SIGTERM.
// NODE_PATH says where `ws` is.

const { once } = require('node:events');
const { WebSocket, WebSocketServer } = require('ws');

const FORMS = {
  default: { threshold: 0 },
  fresh: { threshold: 0, serverNoContextTakeover: true, clientNoContextTakeover: true },
  'server-small': { threshold: 0, serverMaxWindowBits: 9 },
  'both-small': { threshold: 0, serverMaxWindowBits: 10, clientMaxWindowBits: 11 },
};
const SIZES = [0, 1, 125, 126, 65535, 65536, 1 << 20];

// Not text, without a short period.
function bytesOf(size) {
  const bytes = Buffer.alloc(size);
  for (let i = 0; i < size; i += 1) bytes[i] = i * 7 + (i >> 8) * 13 + 0x80;
  return bytes;
}

// So many characters, of one to three bytes in UTF-8.
const textOf = (size) => 'grüße €-'.repeat(Math.ceil(size / 8)).slice(0, size);

function equal(what, got, want) {
  const same = Buffer.isBuffer(want) ? want.equals(got) : got === want;
  if (!same) throw new Error(`${what}: got ${String(got).slice(0, 80)}, want ${String(want).slice(0, 80)}`);
}

// Messages as they come; what is waited for fails when the connection ends.
class Inbox {
  constructor(ws) {
    this.ready = [];
    this.waiting = [];
    ws.on('message', (data, binary) => {
      const message = binary ? data : data.toString();
      const waiting = this.waiting.shift();
      if (waiting) waiting.resolve(message);
      else this.ready.push(message);
    });
    const end = (why) => this.waiting.splice(0).forEach((waiting) => waiting.reject(why));
    ws.on('close', (code) => end(new Error(`closed with ${code}`)));
    ws.on('error', end);
  }

  next() {
    if (this.ready.length) return Promise.resolve(this.ready.shift());
    return new Promise((resolve, reject) => this.waiting.push({ resolve, reject }));
  }
}

async function exercise(ws) {
  const inbox = new Inbox(ws);
  for (const size of SIZES) {
    ws.send(bytesOf(size));
    equal(`binary of ${size}`, await inbox.next(), bytesOf(size));
    ws.send(textOf(size));
    equal(`text of ${size}`, await inbox.next(), textOf(size));
  }
  for (const pieces of [['ein', ' ', '', 'Stück', ''], ['', ''], ['x'.repeat(70000), 'y', 'z'.repeat(70000)]]) {
    pieces.forEach((piece, i) => ws.send(piece, { fin: i === pieces.length - 1 }));
    equal('fragments', await inbox.next(), pieces.join(''));
  }
  ws.send('not compressed', { compress: false });
  equal('a message that is not compressed', await inbox.next(), 'not compressed');
  const pong = once(ws, 'pong');
  ws.ping('alive?');
  equal('pong', (await pong)[0].toString(), 'alive?');
  const many = Array.from({ length: 1000 }, (_, i) => `${i}:${'p'.repeat(i % 300)}`);
  many.forEach((message) => ws.send(message));
  for (const message of many) equal('one of many', await inbox.next(), message);
  const closed = once(ws, 'close');
  ws.close(1000, 'enough');
  const [code] = await closed;
  equal('close code', code, 1000);
}

function checkExtensions(ws, deflate) {
  const agreed = ws.extensions.split(';')[0];
  equal('extensions', agreed, deflate ? 'permessage-deflate' : '');
}

async function client(url, form, expectPlain) {
  const ws = new WebSocket(url, { perMessageDeflate: form ? FORMS[form] : false });
  await once(ws, 'open');
  checkExtensions(ws, form && !expectPlain);
  await exercise(ws);
  console.log(`ok ws_node client ${form || 'plain'}`);
}

async function server(form, seconds) {
  const listening = new WebSocketServer({ host: '127.0.0.1', port: 0, perMessageDeflate: form ? FORMS[form] : false });
  listening.on('connection', (ws) => {
    Promise.resolve()
      .then(() => checkExtensions(ws, form))
      .then(() => exercise(ws))
      .then(() => console.log('CLOSED 1000'), (error) => {
        console.log(`FAIL ${error.message}`);
        ws.terminate();
      });
  });
  await once(listening, 'listening');
  console.log(`PORT ${listening.address().port}`);
  setTimeout(() => process.exit(1), seconds * 1000);
  process.on('SIGTERM', () => process.exit(0));
}

function main() {
  const [mode, ...rest] = process.argv.slice(2);
  const option = (name, otherwise) => (rest.includes(name) ? rest[rest.indexOf(name) + 1] : otherwise);
  const form = option('--deflate');
  if (!['client', 'server'].includes(mode) || (form && !FORMS[form])) {
    console.error('usage: ws_node.js client URL | server [--deflate default|fresh|server-small|both-small]');
    process.exit(2);
  }
  if (mode === 'server') return server(form, Number(option('--max-seconds', 120)));
  setTimeout(() => {
    console.log('FAIL ws_node: not done in time');
    process.exit(1);
  }, 60_000).unref();
  return client(rest[0], form, rest.includes('--expect-plain'));
}

main()?.catch((error) => {
  console.log(`FAIL ws_node: ${error.message}`);
  process.exit(1);
});
