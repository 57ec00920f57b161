// Gets a message over each of several WebSockets and shows how long it is. The page is done when all
// have closed.

"use strict";

const SUBPROTOCOL = "lws-minimal";
const PATHS = ["1", "2", "3", "4", "5", "5?text"];

const received = document.getElementById("r");
const state = document.getElementById("status");

function socketUrl(path) {
  const url = new URL(path, location.href);
  url.protocol = location.protocol === "https:" ? "wss:" : "ws:";
  return url.href;
}

function get(path) {
  return new Promise((resolve) => {
    const line = document.createElement("li");
    line.textContent = `/${path}: no message`;
    received.append(line);
    const socket = new WebSocket(socketUrl(path), SUBPROTOCOL);
    socket.binaryType = "arraybuffer";
    socket.addEventListener("message", ({ data }) => {
      const text = typeof data === "string";
      const kind = text ? "characters of text" : "bytes";
      line.textContent = `/${path}: ${text ? data.length : data.byteLength} ${kind}`;
    });
    socket.addEventListener("close", (event) => {
      line.textContent += `, closed with ${event.code}`;
      resolve();
    });
  });
}

Promise.all(PATHS.map(get)).then(() => {
  state.textContent = "done";
  state.dataset.state = "connected";
});
