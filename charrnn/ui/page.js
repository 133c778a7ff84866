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

  function current() {
    const input = document.querySelector("#temperature input[type=range]");
    return input ? parseFloat(input.value) : null;
  }

  document.addEventListener("input", (event) => {
    const target = event.target;
    if (target.closest?.("#temperature")) turn(parseFloat(target.value));
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
    copyLink(model, prime, temperature, length, seed) {
      const link = new URL(location.pathname, location.origin);
      for (const [name, value] of Object.entries({ model, prime, temperature, length, seed })) link.searchParams.set(name, value ?? "");
      copy(link.href, document.querySelector("#link"));
    },
    view(name) { document.body.dataset.view = name; },
  };
})();
