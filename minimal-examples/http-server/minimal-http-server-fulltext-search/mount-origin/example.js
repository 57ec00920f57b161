// Asks for completions with each letter, and for lines when a word is sent or chosen.

"use strict";

const form = document.getElementById("search");
const input = document.getElementById("word");
const completions = document.getElementById("completions");
const summary = document.getElementById("summary");
const lines = document.getElementById("lines");

// answers may come in another order than they were asked for: only the last counts
let asked = 0;

async function ask(what, word) {
  const mine = ++asked;
  const response = await fetch(`/fts/${what}/${encodeURIComponent(word)}`);
  const answer = response.ok ? await response.json() : null;
  return mine === asked ? answer : undefined;
}

function complete(words) {
  completions.replaceChildren(...words.map(({ word, matches }) => {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = `${word} ${matches}`;
    button.addEventListener("click", () => {
      input.value = word;
      show(word);
    });
    const item = document.createElement("li");
    item.append(button);
    return item;
  }));
}

async function show(word) {
  const answer = await ask("r", word);
  if (answer === undefined) {
    return;
  }
  const file = answer?.files?.[0];
  const found = file?.lines ?? [];
  if (answer === null) {
    summary.textContent = "One word, please.";
  } else if (!file) {
    summary.textContent = `No line has “${word}”.`;
  } else {
    summary.textContent = `${file.matches} times in ${file.path}, ${found.length} lines shown`;
  }
  lines.replaceChildren(...found.map(({ line, text }) => {
    const item = document.createElement("li");
    item.value = line;
    item.textContent = text;
    return item;
  }));
}

input.addEventListener("input", async () => {
  const word = input.value.trim();
  const answer = word ? await ask("a", word) : { completions: [] };
  if (answer !== undefined) {
    complete(answer?.completions ?? []);
  }
});

form.addEventListener("submit", (event) => {
  event.preventDefault();
  show(input.value.trim());
});
