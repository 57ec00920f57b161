// Shows each event of /sse. The browser reconnects by itself when the connection ends.

"use strict";

const seconds = document.getElementById("seconds");
const state = document.getElementById("state");
const source = new EventSource("/sse");

source.addEventListener("open", () => {
  state.textContent = "connected";
});

source.addEventListener("message", (event) => {
  seconds.textContent = event.data;
});

source.addEventListener("error", () => {
  state.textContent = "disconnected";
});
