// Opens eight WebSockets to where this page came from and shows the newest line of each. One that
// is told to try again later (1013) or fails does so after a growing pause.

"use strict";

const SUBPROTOCOL = "lws-minimal";
const COUNT = 8;
const FIRST_PAUSE_MS = 250;
const LONGEST_PAUSE_MS = 4000;

const list = document.getElementById("r");
const state = document.getElementById("status");
let sockets = [];
let timers = [];
let done = 0;

function socketUrl() {
  const url = new URL("./", location.href);
  url.protocol = location.protocol === "https:" ? "wss:" : "ws:";
  return url.href;
}

function count() {
  state.textContent = `${done} of ${COUNT} done`;
  state.dataset.state = done === COUNT ? "connected" : "connecting";
}

function run(at, line, pause) {
  line.textContent = "waits";
  const socket = new WebSocket(socketUrl(), SUBPROTOCOL);
  sockets[at] = socket;

  socket.addEventListener("message", (event) => { line.textContent = event.data; });

  socket.addEventListener("close", (event) => {
    if (sockets[at] !== socket) {
      return;
    }
    if (event.code === 1000) {
      line.textContent += " \u2713";
      done += 1;
      count();
      return;
    }
    line.textContent = event.reason || "disconnected";
    timers[at] = setTimeout(run, pause * (0.75 + Math.random() / 2), at, line, Math.min(pause * 2, LONGEST_PAUSE_MS));
  });
}

function start() {
  timers.forEach(clearTimeout);
  timers = [];
  const old = sockets;
  sockets = [];
  old.forEach((socket) => socket.close());
  list.replaceChildren();
  done = 0;
  count();
  for (let at = 0; at < COUNT; at += 1) {
    const line = document.createElement("li");
    list.append(line);
    run(at, line, FIRST_PAUSE_MS);
  }
}

document.getElementById("b").addEventListener("click", start);
start();
