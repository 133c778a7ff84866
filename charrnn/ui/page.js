// What happens in the browser alone: turning the temperature, looking back over samples, copying.
(() => {
  const all = (selector, root = document) => [...root.querySelectorAll(selector)];

  // The slider's value, or the nearest stop that the server has sent a text for.
  function turn(value) {
    for (const sweep of all("[data-sweep]")) {
      const texts = all("[data-stop]", sweep);
      const distance = (text) => Math.abs(parseFloat(text.dataset.stop) - value);
      const nearest = texts.reduce((best, text) => (distance(text) < distance(best) ? text : best), texts[0]);
      for (const text of texts) text.hidden = text !== nearest;
    }
  }

  let waiting;
  function sweepAgain() { // once the page has taken note of what was typed, and the typist pauses
    clearTimeout(waiting);
    waiting = setTimeout(() => document.querySelector("#sweep-again button, button#sweep-again")?.click(), 150);
  }

  function current() {
    const input = document.querySelector("#temperature input[type=range]");
    return input ? parseFloat(input.value) : null;
  }

  document.addEventListener("input", (event) => {
    const target = event.target;
    if (target.closest?.("#temperature")) turn(parseFloat(target.value));
    if (target.closest?.("#prime, #stop")) sweepAgain();
    if (target.matches?.("input.learning")) {
      for (const sample of all("[data-sample]", target.closest(".written"))) sample.hidden = sample.dataset.sample !== target.value;
    }
  }, true);

  // When new texts arrive, show the one that the slider is at by now.
  new MutationObserver((changes) => {
    const fresh = changes.some((change) => [...change.addedNodes].some((node) =>
      node.nodeType === 1 && (node.matches("[data-sweep]") || node.querySelector("[data-sweep]"))));
    if (fresh && current() !== null) turn(current());
  }).observe(document.documentElement, { childList: true, subtree: true });

  document.addEventListener("visibilitychange", () => {
    if (!document.hidden) document.querySelector("#look-again button, button#look-again")?.click();
  });

  function said(button, text) {
    const before = button.textContent;
    button.textContent = text;
    setTimeout(() => { button.textContent = before; }, 1500);
  }

  function copy(text, button) {
    if (navigator.clipboard && window.isSecureContext) {
      navigator.clipboard.writeText(text).then(() => said(button, "Copied"), () => said(button, "Not allowed here"));
      return;
    }
    const area = document.createElement("textarea");
    area.value = text;
    document.body.append(area);
    area.select();
    document.execCommand("copy");
    area.remove();
    said(button, "Copied");
  }

  window.charrnn = {
    copyText() {
      const text = all("#written .text").find((part) => !part.hidden);
      copy(text ? text.innerText : "", document.querySelector("#copy"));
    },
    // Model and seed always, anything else where it is not what the page starts with; nothing secret.
    copyLink(defaults, values) {
      const link = new URL(location.pathname, location.origin);
      Object.keys(defaults).forEach((name, i) => {
        if (["model", "seed"].includes(name) || values[i] !== defaults[name]) link.searchParams.set(name, values[i] ?? "");
      });
      copy(link.href, document.querySelector("#link"));
    },
    sweepAgain,
    // After Train on a phone, or below an open Advanced, the run is out of sight.
    lookAtRun() {
      if (document.querySelector("#train-problem .alert")) return;
      const { top, bottom } = document.querySelector("#progress").getBoundingClientRect();
      if (top < 0 || bottom > innerHeight) scrollBy(0, top - 8);
    },
    // One of several components is shown.
    only(names, name) { return names.map((one) => ({ __type__: "update", visible: one === name })); },
    view(name) {
      document.body.dataset.view = name;
      const both = { __type__: "update", visible: name === "Two models" };
      return [both, both];
    },
  };
})();
