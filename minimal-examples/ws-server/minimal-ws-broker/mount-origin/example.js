// Publishes over one WebSocket and subscribes over another, both to where this page came from; each
// reconnects with a growing pause.

"use strict";

const SUBPROTOCOL = "lws-minimal-broker";
const MAX_LINES = 500;
const FIRST_PAUSE_MS = 500;
const LONGEST_PAUSE_MS = 15000;

const received = document.getElementById("r");
const form = document.getElementById("f");
const message = document.getElementById("m");
const publish = document.getElementById("b");
const state = document.getElementById("status");

function socketUrl(path) {
  const url = new URL(path, location.href);
  url.protocol = location.protocol === "https:" ? "wss:" : "ws:";
  return url.href;
}

// A WebSocket that is replaced by another whenever it closes.
class Connection {
  constructor(path) {
    this.path = path;
    this.pause = FIRST_PAUSE_MS;
    this.connect();
  }

  connect() {
    this.socket = new WebSocket(socketUrl(this.path), SUBPROTOCOL);
    this.socket.addEventListener("open", () => {
      this.pause = FIRST_PAUSE_MS;
      showState();
    });
    this.socket.addEventListener("message", (event) => addLine(event.data));
    // Follows every failure too, so this is the one place that reconnects.
    this.socket.addEventListener("close", () => {
      showState();
      setTimeout(() => this.connect(), this.pause * (0.75 + Math.random() / 2));
      this.pause = Math.min(this.pause * 2, LONGEST_PAUSE_MS);
    });
  }

  isOpen() {
    return this.socket.readyState === WebSocket.OPEN;
  }
}

const publisher = new Connection("./publisher");
const subscriber = new Connection("./");

function showState() {
  const text = publisher.isOpen() && subscriber.isOpen() ? "connected" : "disconnected";
  state.textContent = text;
  state.dataset.state = text;
  publish.disabled = !publisher.isOpen();
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

form.addEventListener("submit", (event) => {
  event.preventDefault();
  if (!publisher.isOpen() || message.value === "") {
    return;
  }
  publisher.socket.send(message.value);
  message.value = "";
  message.focus();
});
