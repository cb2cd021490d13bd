"use strict";
// The switch between light and dark, and the list of errors. What comes from the corpus is only ever
// set as text.
(() => {
  const PAGE = 50;
  const { errors, kinds, hues } = JSON.parse(document.getElementById("data").textContent);
  const root = document.documentElement;

  document.getElementById("theme").addEventListener("click", () => {
    const system = matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light";
    root.dataset.theme = (root.dataset.theme ?? system) === "dark" ? "light" : "dark";
  });

  const form = document.getElementById("filters");
  if (!form) return;
  const list = document.getElementById("list");
  const more = document.getElementById("more");
  let chosen = [];

  const element = (name, className, text) => {
    const made = document.createElement(name);
    if (className) made.className = className;
    if (text !== undefined) made.textContent = text;
    return made;
  };

  // Python counts characters, JavaScript halves of some: characters are an array here.
  const annotate = (characters, entities, cut) => {
    const line = element("dd");
    const slice = (start, end) => characters.slice(start, end).join("");
    let last = 0;
    if (cut[0]) line.append("…");
    for (const [start, end, label, probability, isError] of entities) {
      const mark = element("mark", isError ? "entity wrong" : "entity", slice(start, end));
      mark.style.setProperty("--hue", hues[label]);
      mark.append(element("span", "", label));
      if (probability !== null) mark.title = `probability ${probability}`;
      line.append(slice(last, start), mark);
      last = end;
    }
    line.append(slice(last), cut[1] ? "…" : "");
    return line;
  };

  const show = (error) => {
    const item = element("li");
    const about = element("p", "about");
    about.append(element("b", "", kinds[error.kind]));
    if (error.certainty !== null) about.append(` · certainty ${(100 * error.certainty).toFixed(1)} %`);
    about.append(` · document ${error.document}`);
    const sides = element("dl", "sides");
    const characters = Array.from(error.text);
    sides.append(element("dt", "", "gold"), annotate(characters, error.gold, error.cut));
    sides.append(element("dt", "", "predicted"), annotate(characters, error.found, error.cut));
    item.append(about, sides);
    return item;
  };

  const showMore = () => {
    const shown = list.childElementCount;
    list.append(...chosen.slice(shown, shown + PAGE).map(show));
    more.hidden = list.childElementCount === chosen.length;
    const numbers = [list.childElementCount, chosen.length, errors.length];
    const [now, found, all] = numbers.map((number) => number.toLocaleString("en"));
    document.getElementById("count").textContent = `${now} shown of ${found} chosen, ${all} in all`;
  };

  const filter = () => {
    const { kind, label, low, high, text } = Object.fromEntries(new FormData(form));
    const wanted = text.toLowerCase();
    const [least, most] = [Number(low || 0) / 100, Number(high || 100) / 100];
    chosen = errors.filter((error) =>
      (!kind || error.kind === kind) &&
      (!label || error.labels.includes(label)) &&
      (error.certainty === null || (error.certainty >= least && error.certainty <= most)) &&
      error.text.toLowerCase().includes(wanted));
    list.replaceChildren();
    showMore();
  };

  form.addEventListener("input", filter);
  form.addEventListener("submit", (event) => event.preventDefault());
  more.addEventListener("click", showMore);
  form.reset();
  filter();
})();
