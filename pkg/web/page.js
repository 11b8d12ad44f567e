// Renews the sections of the page in place, so that what is open, selected or
// focused stays so. Without it the page reads the same and stands still.
"use strict";

const every = 5000;
const shown = new Map();
const byId = (id) => document.getElementById(id);

document.documentElement.classList.add("js");
for (const part of document.querySelectorAll("[data-live]")) shown.set(part.id, part.innerHTML);
if (location.search) history.replaceState(null, "", "./");

// A button that is replaced while it is pressed would lose the click.
function busy(part) {
  if (part.matches(":active")) return true;
  const selection = getSelection();
  return selection && !selection.isCollapsed && selection.containsNode(part, true);
}

function renew(part, fresh) {
  if ("same" in fresh.dataset || shown.get(part.id) === fresh.innerHTML || busy(part)) return;
  const open = [...part.querySelectorAll("details[open]")].map((d) => d.id);
  const focus = part.contains(document.activeElement) ? document.activeElement.id : "";
  shown.set(part.id, fresh.innerHTML);
  part.className = fresh.className;
  Object.assign(part.dataset, fresh.dataset);
  part.replaceChildren(...fresh.childNodes);
  for (const id of open) byId(id)?.setAttribute("open", "");
  if (focus) byId(focus)?.focus({ preventScroll: true });
}

async function load() {
  const seen = encodeURIComponent(byId("deliveries").dataset.seen);
  const answer = await fetch("./?seen=" + seen, { signal: AbortSignal.timeout(15000) });
  if (!answer.ok) throw new Error(answer.statusText);
  const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
  const now = fresh.getElementById("now");
  if (!now) throw new Error("not this page");
  if (fresh.documentElement.dataset.version !== document.documentElement.dataset.version) return location.reload();
  const headline = byId("now").dataset.headline;
  for (const part of document.querySelectorAll("[data-live]")) renew(part, fresh.getElementById(part.id));
  document.title = fresh.title;
  if (now.dataset.headline !== headline) byId("announce").textContent = now.dataset.headline;
  byId("lost-since").textContent = fresh.getElementById("lost-since").textContent;
}

let loading = false;
async function tick() {
  if (loading || document.hidden) return;
  loading = true;
  try {
    await load();
    byId("lost").hidden = true;
  } catch {
    byId("lost").hidden = false;
  }
  loading = false;
}

async function copy(button) {
  const field = byId(button.dataset.copy);
  field.select();
  try {
    await navigator.clipboard.writeText(field.value);
  } catch {
    document.execCommand("copy"); // over plain http there is no other way
  }
  button.textContent = "Copied";
  setTimeout(() => (button.textContent = "Copy"), 2000);
}

document.addEventListener("click", (e) => {
  const button = e.target.closest("[data-copy]");
  if (button) copy(button);
});
document.addEventListener("visibilitychange", tick);
setInterval(tick, every);
