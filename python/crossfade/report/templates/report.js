"use strict";
(() => {
  const root = document.documentElement;

  // Where the style sheet cannot open what is folded, as older browsers cannot, paper still shows all of it.
  let folded = [];
  addEventListener("beforeprint", () => {
    folded = [...document.querySelectorAll("details.fold:not([open], .failure), details.failure.first:not([open]), details.rest:not([open])")];
    for (const element of folded) element.open = true;
  });
  addEventListener("afterprint", () => {
    for (const element of folded) element.open = false;
  });

  const form = document.getElementById("filter");
  if (!form) return;
  const entries = [...document.querySelectorAll(".query")].map((element) => ({ element, text: null }));
  const groups = [...document.querySelectorAll(".group")];
  const rest = document.querySelector(".rest");
  const output = form.querySelector("output");

  const matches = (entry, words, outcome) => {
    if (outcome && !entry.element.classList.contains(outcome)) return false;
    if (words.length && entry.text === null) entry.text = entry.element.textContent.toLowerCase();
    return words.every((word) => entry.text.includes(word));
  };

  const apply = () => {
    const words = form.elements.words.value.toLowerCase().split(/\s+/).filter(Boolean);
    const outcome = form.elements.outcome.value;
    let shown = 0;
    for (const entry of entries) {
      const visible = matches(entry, words, outcome);
      entry.element.hidden = !visible;
      shown += visible;
    }
    for (const group of groups) group.hidden = !group.querySelector(".query:not([hidden])");
    if (rest && (words.length || outcome)) rest.open = true;
    output.value = shown === entries.length ? `${shown} queries` : `${shown} of ${entries.length} queries`;
  };

  // A bar of the waterfall opens its query. The list is the way without a mouse.
  document.addEventListener("click", (event) => {
    const number = event.target.closest("[data-entry]")?.dataset.entry;
    const entry = number && document.getElementById(`q${number}`);
    if (!entry) return;
    form.reset();
    apply();
    if (rest?.contains(entry)) rest.open = true;
    entry.open = true;
    entry.scrollIntoView({ block: "center" });
    (entry.querySelector("summary") ?? entry).focus({ preventScroll: true });
  });

  form.addEventListener("input", apply);
  form.addEventListener("submit", (event) => event.preventDefault());
  form.hidden = false;
  root.classList.add("js");
  apply();
})();
