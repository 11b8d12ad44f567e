// Counts how long ago things were, copies, and says when Grid2MQTT is lost.
// What changes comes through htmx. Without it the page reads the same and
// stands still.
"use strict";

const root = document.documentElement;
const byId = (id) => document.getElementById(id);
root.classList.add("js");

// The server's clock is the one that counts.
let ahead = Number(root.dataset.now) - Date.now();
const now = () => Date.now() + ahead;

function hours(s) {
  const h = Math.floor(s / 3600);
  const m = Math.floor(s / 60) % 60;
  return m ? `${h} h ${m} min` : `${h} h`;
}

function about(s) {
  if (s >= 2 * 86400) return `${Math.floor(s / 86400)} days`;
  if (s >= 3600) return hours(s);
  if (s >= 60) return `${Math.floor(s / 60)} min`;
  return `${s} s`;
}

function relative(ms, due) {
  const s = Math.trunc(ms / 1000);
  if (s < 0) return `in ${about(-s)}`;
  if (due) return "now";
  return s ? `${about(s)} ago` : "just now";
}

function count() {
  for (const time of document.querySelectorAll("time[data-counts]")) {
    const text = relative(now() - Date.parse(time.dateTime), "due" in time.dataset);
    if (time.textContent !== text) time.textContent = text;
  }
}
setInterval(count, 1000);

// What the page says first is its title, and is read out when it changes.
let headline = byId("now")?.dataset.headline;
document.addEventListener("htmx:after:swap", () => {
  count();
  const fresh = byId("now")?.dataset.headline;
  if (fresh === headline) return;
  headline = fresh;
  byId("announce").textContent = fresh;
  document.title = `${fresh} – Grid2MQTT`;
});

// The stream says at least every 15 s that it is there.
let heard = Date.now();
let trouble = 0;
let tries = 1; // to open it; 0: it was open once, and htmx opens it again
document.addEventListener("beat", (e) => {
  const beat = JSON.parse(e.detail.data);
  if (beat.version !== root.dataset.version) return location.reload();
  ahead = beat.now - Date.now();
  heard = Date.now();
  trouble = tries = 0;
  byId("lost").hidden = true;
  byId("lost-since").textContent = beat.clock;
  byId("as-of").textContent = `as of ${beat.clock}`;
});
document.addEventListener("htmx:sse:error", () => (trouble ||= Date.now()));

// A browser has six connections to a place, and may keep pages that one has
// left: their streams would leave none for the next.
let stream;
document.addEventListener("htmx:sse:before:connection", (e) => (stream = e.detail.connection));
addEventListener("pagehide", () => {
  byId("live")?.remove();
  stream?.abortController?.abort();
});
addEventListener("pageshow", (e) => {
  if (e.persisted) location.reload();
});
document.addEventListener("visibilitychange", () => {
  heard = Date.now();
  if (!document.hidden) count();
});

async function watch() {
  if (!byId("live") || document.hidden) return;
  const silent = Date.now() - heard;
  if (tries && silent > 8000 * tries) {
    tries++;
    const again = byId("live").cloneNode();
    byId("live").replaceWith(again);
    htmx.process(again);
  }
  if (silent > 40000 || (trouble && Date.now() - trouble > 3000)) byId("lost").hidden = false;
  if (silent < 60000) return;
  heard = Date.now();
  if (await fetch("healthz").then((r) => r.ok, () => false)) location.reload();
}
setInterval(watch, 1000);

async function write(text) {
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    // Over plain http there is no other way.
    const field = document.createElement("textarea");
    field.value = text;
    document.body.append(field);
    field.select();
    document.execCommand("copy");
    field.remove();
  }
}

async function copy(button) {
  const label = button.textContent;
  try {
    let text = byId(button.dataset.copy)?.value;
    if ("fetch" in button.dataset) {
      const answer = await fetch(button.href);
      text = await answer.text();
      if (!answer.ok) throw new Error(text);
    }
    await write(text);
    button.textContent = "Copied";
  } catch {
    button.textContent = "That did not work";
  }
  setTimeout(() => (button.textContent = label), 2000);
}

document.addEventListener("click", (e) => {
  const button = e.target.closest("[data-copy], [data-fetch]");
  if (!button) return;
  e.preventDefault();
  copy(button);
});
document.addEventListener("change", (e) => {
  if (e.target.matches("[data-submit]")) e.target.form.submit();
});

// An address that points into something folded away opens it.
function unfold() {
  const at = location.hash && byId(location.hash.slice(1));
  if (at) at.querySelector("details")?.setAttribute("open", "");
}
addEventListener("hashchange", unfold);
unfold();

if (new URLSearchParams(location.search).has("done")) history.replaceState(null, "", location.pathname);
