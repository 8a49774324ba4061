// Keeps a page up to date. Everything can be read without it: pages are whole as served, and forms are plain forms.
"use strict";

const live = document.getElementById("live");
const link = document.getElementById("link");
const said = document.getElementById("said");

function say(state, text) {
  if (link) { link.dataset.state = state; link.textContent = text; }
}

// Ages of times, from the moment that the server stamped into each.
function ages() {
  for (const time of document.querySelectorAll("time[data-ms]")) {
    const seconds = Math.max(0, Math.round((Date.now() - Number(time.dataset.ms)) / 1000));
    const [value, unit] = seconds < 90 ? [seconds, "s"] : seconds < 5400 ? [Math.round(seconds / 60), "min"]
      : seconds < 172800 ? [Math.round(seconds / 3600), "h"] : [Math.round(seconds / 86400), "d"];
    time.textContent = `${value} ${unit} ago`;
  }
}

// Takes the part of the page that changes from the server again. What the reader opened stays open, and nobody who is filling in a
// form loses what was typed: the page then waits until the form is left.
let due = null, waiting = false;

function typing() {
  const at = document.activeElement;
  const filled = live && [...live.querySelectorAll("form input")].some((field) => field.name !== "who" && field.value !== "");
  return filled || (at && live && live.contains(at) && at.closest("form"));
}

async function refresh() {
  due = null;
  if (!live) return;
  if (typing()) { waiting = true; return; }
  waiting = false;
  try {
    const answer = await fetch(live.dataset.fragment, { headers: { accept: "text/html" } });
    if (!answer.ok) throw new Error(String(answer.status));
    const before = new Set([...live.querySelectorAll("[data-alert]")].map((one) => one.dataset.alert));
    const open = [...live.querySelectorAll("details[open][id]")].map((one) => one.id);
    live.innerHTML = await answer.text();
    for (const id of open) document.getElementById(id)?.setAttribute("open", "");
    for (const one of live.querySelectorAll("[data-alert]")) if (!before.has(one.dataset.alert)) one.classList.add("fresh");
    remember();
    ages();
  } catch {
    soon(5000);
  }
}

function soon(ms) {
  if (due === null) due = setTimeout(refresh, ms);
}

// The name of whoever deals with alerts at this desk.
function remember() {
  for (const field of document.querySelectorAll("input[name=who]")) {
    if (field.value === "") field.value = localStorage.getItem("who") ?? "";
    field.addEventListener("change", () => localStorage.setItem("who", field.value));
  }
}

function connect() {
  const source = new EventSource(`/api/events?since=${document.body.dataset.event}`);
  source.onopen = () => say("live", "live");
  source.onerror = () => say("lost", "connection lost, trying again");
  source.addEventListener("alert", (message) => {
    const event = JSON.parse(message.data);
    if (said && event.kind !== "heard") said.textContent = `Alert ${event.alert} ${event.kind}: ${event.summary.class.replaceAll("_", " ").toLowerCase()}, ${event.summary.severity}.`;
    if (!live?.dataset.only || live.dataset.only === String(event.alert)) soon(150);
  });
  source.addEventListener("snapshot", () => soon(150));
}

document.addEventListener("focusout", () => { if (waiting) soon(300); });
remember();
ages();
setInterval(ages, 5000);
if (live?.dataset.every) setInterval(() => soon(0), Number(live.dataset.every));
connect();
