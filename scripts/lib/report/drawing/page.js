// Search and filter of the examples. Without it all of them are shown; it asks nobody and keeps nothing.
(() => {
  const tools = document.getElementById("find");
  if (!tools) return;
  const [search, outcome, found] = ["find-text", "find-outcome", "found"].map((id) => document.getElementById(id));
  const examples = [...document.querySelectorAll("details.example")];
  const texts = examples.map((example) => example.textContent.toLowerCase());
  const show = () => {
    const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
    let number = 0;
    examples.forEach((example, place) => {
      const fits = !outcome.value || example.dataset.outcome === outcome.value;
      example.hidden = !(fits && words.every((word) => texts[place].includes(word)));
      number += !example.hidden;
    });
    found.textContent = `${number} of ${examples.length} examples`;
  };
  const step = (event) => {
    const by = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    const shown = examples.filter((example) => !example.hidden).map((example) => example.querySelector("summary"));
    const next = shown[shown.indexOf(event.target) + by];
    if (!by || !shown.includes(event.target) || !next) return;
    event.preventDefault();
    next.focus();
  };
  search.addEventListener("input", show);
  outcome.addEventListener("change", show);
  document.addEventListener("keydown", step);
  tools.hidden = false;
  show();
})();
