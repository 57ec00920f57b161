// Shows what comes over one WebSocket from where this page came from; reconnects with a growing
// pause.

"use strict";

const SUBPROTOCOL = "lws-minimal";
const MAX_LINES = 500;
const FIRST_PAUSE_MS = 500;
const LONGEST_PAUSE_MS = 15000;

const received = document.getElementById("r");
const state = document.getElementById("status");

let socket = null;
let pause = FIRST_PAUSE_MS;

function socketUrl() {
  const url = new URL("./", location.href);
  url.protocol = location.protocol === "https:" ? "wss:" : "ws:";
  return url.href;
}

function show(text) {
  state.textContent = text;
  state.dataset.state = text;
}

function addLine(text) {
  const atBottom = received.scrollHeight - received.scrollTop - received.clientHeight < 8;
  const line = document.createElement("li");
  line.textContent = text;
  received.append(line);
  while (received.childElementCount > MAX_LINES) {
    received.firstElementChild.remove();
  }
  if (atBottom) {
    received.scrollTop = received.scrollHeight;
  }
}

function connect() {
  show("connecting");
  socket = new WebSocket(socketUrl(), SUBPROTOCOL);

  socket.addEventListener("open", () => {
    pause = FIRST_PAUSE_MS;
    show("connected");
  });

  socket.addEventListener("message", (event) => addLine(event.data));

  // Follows every failure too, so this is the one place that reconnects.
  socket.addEventListener("close", () => {
    show("disconnected");
    setTimeout(connect, pause * (0.75 + Math.random() / 2));
    pause = Math.min(pause * 2, LONGEST_PAUSE_MS);
  });
}

connect();
