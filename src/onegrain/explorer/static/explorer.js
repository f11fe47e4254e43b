// Pins, sliders and the keyboard. Every page works without this file; it saves clicks.

const THEMES = ["light", "dark"];
const stored = localStorage.getItem("onegrain-theme");
if (THEMES.includes(stored)) document.documentElement.dataset.theme = stored;

/** Go from light to dark or back, and remember it. */
function switchTheme() {
  const root = document.documentElement;
  const isDark = root.dataset.theme
    ? root.dataset.theme === "dark"
    : matchMedia("(prefers-color-scheme: dark)").matches;
  root.dataset.theme = isDark ? "light" : "dark";
  localStorage.setItem("onegrain-theme", root.dataset.theme);
}

// On a narrow screen the navigation scrolls; the page that is shown stands in view.
const navigation = document.querySelector("header nav");
const current = navigation?.querySelector("[aria-current=page]");
if (current) navigation.scrollLeft = current.offsetLeft - navigation.offsetLeft - navigation.clientWidth / 2;

document.addEventListener("click", (event) => {
  if (event.target.closest("[data-theme-button]")) switchTheme();
});

// A select whose options are addresses leads to the chosen one.
document.addEventListener("change", (event) => {
  if (event.target.matches("select[data-goes]")) location.assign(event.target.value);
});

// A slider shows its number beside it.
document.addEventListener("input", (event) => {
  const slider = event.target;
  if (slider.type !== "range") return;
  const shown = document.getElementById(slider.dataset.shownIn);
  if (shown) shown.textContent = Number(slider.value).toPrecision(4);
});

// The numbers of the word under the pointer or the focus stand in the line that a page keeps for them.
function readWord(event) {
  const word = event.target.closest?.("[data-word][title]");
  const line = word && document.querySelector("[data-reading]");
  if (line) line.textContent = word.title.replaceAll("\n", " · ");
}
document.addEventListener("pointerover", readWord);
document.addEventListener("focusin", readWord);

// Keys: p, n and w follow the links to the previous, next and next ranked neuron; "/" goes to the search box;
// digits go to the pages; arrow keys move along the words of a text.
const KEYS = { p: "[data-key=p]", n: "[data-key=n]", w: "[data-key=w]", o: "[data-key=o]" };

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.target.matches("input, textarea, select")) return;
  if (event.key === "/") {
    const box = document.querySelector("[data-search-box]");
    if (box) {
      event.preventDefault();
      box.focus();
    }
  } else if (/^[1-9]$/.test(event.key)) {
    document.querySelectorAll("header nav a")[Number(event.key) - 1]?.click();
  } else if (KEYS[event.key]) {
    document.querySelector(KEYS[event.key])?.click();
  } else if (event.key === "ArrowRight" || event.key === "ArrowLeft") {
    const word = event.target.closest("[data-word]");
    if (!word) return;
    const words = [...document.querySelectorAll("[data-word]")];
    const next = words[words.indexOf(word) + (event.key === "ArrowRight" ? 1 : -1)];
    if (next) {
      event.preventDefault();
      next.focus();
    }
  }
});

/** On a narrow screen the result stands below the controls; one line of it stays in view beside them. */
function peek() {
  const line = document.querySelector("[data-peek-of]");
  const result = line && document.getElementById(line.dataset.peekOf);
  const text = result?.querySelector("[data-peek], .error p")?.textContent.trim().replace(/\s+/g, " ") ?? "";
  if (line && line.textContent !== text) line.textContent = text;
}
peek();

// What a page waited for is there: show the page anew.
new MutationObserver(() => {
  peek();
  const ready = document.querySelector("[data-reload]");
  if (!ready) return;
  ready.removeAttribute("data-reload");
  location.reload();
}).observe(document.body, { childList: true, subtree: true });
