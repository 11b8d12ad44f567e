// Looks like the Home Assistant around the page, as far as that can be seen:
// light or dark, and its colour for buttons and links where it can be read.
"use strict";

(() => {
  let outside;
  try {
    outside = parent !== window && parent.document.querySelector("home-assistant") && parent;
  } catch {
    return; // framed by a stranger
  }
  if (!outside) return;
  const root = document.documentElement;
  const light = (channel) => (channel <= 0.04045 ? channel / 12.92 : ((channel + 0.055) / 1.055) ** 2.4);

  // The luminance of a colour in any notation; undefined where it is none.
  function luminance(colour) {
    const probe = document.createElement("i");
    probe.style.color = colour;
    if (!probe.style.color) return undefined;
    root.append(probe);
    const [r, g, b] = getComputedStyle(probe).color.match(/[\d.]+/g).map((n) => light(n / 255));
    probe.remove();
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  }

  const contrast = (a, b) => (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);

  function follow() {
    const theirs = outside.getComputedStyle(outside.document.documentElement);
    const ground = luminance(theirs.getPropertyValue("--primary-background-color").trim());
    if (ground !== undefined) root.dataset.theme = ground < 0.2 ? "dark" : "light";
    const accent = theirs.getPropertyValue("--primary-color").trim();
    const bright = luminance(accent);
    for (const name of ["--button", "--on-button", "--link"]) root.style.removeProperty(name);
    if (bright === undefined) return;
    root.style.setProperty("--button", accent);
    root.style.setProperty("--on-button", contrast(bright, 1) >= 4.5 ? "#ffffff" : "#000000");
    const ours = getComputedStyle(root);
    const grounds = ["--ground", "--card", "--run-ground", "--rehearse-ground"].map((name) => luminance(ours.getPropertyValue(name)));
    if (grounds.every((g) => contrast(bright, g) >= 4.5)) root.style.setProperty("--link", accent);
  }

  follow();
  const watch = new MutationObserver(follow);
  watch.observe(outside.document.documentElement, { attributes: true, attributeFilter: ["style", "class"] });
  addEventListener("pagehide", () => watch.disconnect());
})();
