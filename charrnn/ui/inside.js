// Look inside: walking through a text, painting a unit over it, bending odds by temperature. In the browser alone.
(() => {
  const make = (tag, text, className) => {
    const node = document.createElement(tag);
    if (text !== undefined) node.textContent = text;
    if (className) node.className = className;
    return node;
  };
  const percent = (p) => (p >= 0.0995 || p === 0 ? `${(100 * p).toFixed(0)} %` : p >= 0.0005 ? `${(100 * p).toFixed(1)} %` : "< 0.1 %");
  // What the server sent with a view, parsed. Gradio changes a view in place, so the same element may get new values.
  const parsed = new WeakMap();
  const valuesOf = (node) => {
    if (parsed.get(node)?.raw !== node.dataset.values) parsed.set(node, { raw: node.dataset.values, data: JSON.parse(node.dataset.values) });
    return parsed.get(node).data;
  };

  function bars(rows) {
    const list = make("ol", undefined, "bars");
    for (const [name, share, mine] of rows) {
      const row = make("li", undefined, mine ? "mine" : "");
      const track = make("span", undefined, "track");
      track.append(make("i"));
      track.firstChild.style.width = `${100 * share}%`;
      row.append(make("bdi", name), track, make("output", percent(share)));
      list.append(row);
    }
    return list;
  }

  const tell = {
    surprise(data, i, detail) {
      const name = data.names[data.ids[i]];
      const head = make("h4");
      head.append(make("bdi", name), ` character ${i + 1} of ${data.ids.length}`);
      if (data.bits[i] === null) {
        detail.replaceChildren(head, make("p", "Reading begins here: nothing comes before it, so nothing was expected."));
        return;
      }
      const own = 2 ** -data.bits[i];
      const says = make("p");
      says.append(make("b", `${data.bits[i].toFixed(2)} bits`), ` of surprise: the model gave it ${percent(own)}. It preferred:`);
      detail.replaceChildren(head, says, bars(data.best[i].map((id, k) => [data.names[id], data.odds[i][k], id === data.ids[i]])));
    },
    neurons(data, i, detail, walk) {
      const value = data.units[walk.unit ?? 0][i] / 50;
      const head = make("h4");
      const span = walk.children[i];
      head.append(make("bdi", span.className.includes("br") ? "line break" : span.textContent.replace(" ", "space")),
        ` character ${i + 1} of ${walk.children.length}`);
      const says = make("p");
      says.append(make("b", `${value < 0 ? "−" : "+"}${Math.abs(value).toFixed(2)}`), " is the unit’s activation after reading it.");
      detail.replaceChildren(head, says);
    },
  };

  function show(walk, i) {
    const data = valuesOf(walk);
    i = Math.max(0, Math.min(walk.children.length - 1, i));
    walk.querySelector(".at")?.classList.remove("at");
    walk.at = i;
    walk.children[i].classList.add("at");
    tell[walk.dataset.walk](data, i, walk.parentElement.querySelector(".detail"), walk);
  }

  function paint(walk, unit) {
    const levels = valuesOf(walk).units[unit];
    walk.unit = unit;
    [...walk.children].forEach((span, i) => {
      span.classList.toggle("up", levels[i] > 0);
      span.classList.toggle("down", levels[i] < 0);
      span.style.setProperty("--v", Math.abs(levels[i]) / 50);
    });
    show(walk, walk.at ?? 0);
  }

  // The character that stands above or below: on the next line of the page, nearest in the line.
  function vertical(walk, step) {
    const spans = [...walk.children], here = spans[walk.at].getBoundingClientRect();
    let i = walk.at, line = null, best = walk.at, least = Infinity;
    while (spans[(i += step)]) {
      const box = spans[i].getClientRects()[0];
      if (!box || Math.abs(box.top - here.top) < here.height / 2) continue;
      line ??= box.top;
      if (Math.abs(box.top - line) > here.height / 2) break;
      const distance = Math.abs(box.left - here.left);
      if (distance < least) [best, least] = [i, distance];
    }
    return best;
  }

  const walkOf = (event) => event.target.closest?.("[data-walk]");

  document.addEventListener("keydown", (event) => {
    const walk = walkOf(event);
    if (!walk || event.altKey || event.ctrlKey || event.metaKey) return;
    const forward = getComputedStyle(walk).direction === "rtl" ? -1 : 1;
    const to = {
      ArrowRight: () => walk.at + forward, ArrowLeft: () => walk.at - forward, Home: () => 0, End: () => walk.children.length - 1,
      ArrowDown: () => vertical(walk, 1), ArrowUp: () => vertical(walk, -1),
    }[event.key];
    if (!to) return;
    event.preventDefault();
    show(walk, to());
    walk.children[walk.at].scrollIntoView({ block: "nearest" });
  });

  for (const kind of ["pointerover", "pointerdown"]) {
    document.addEventListener(kind, (event) => {
      const walk = walkOf(event), span = event.target;
      if (walk && span.parentElement === walk) show(walk, [...walk.children].indexOf(span));
    });
  }

  // softmax(logits / temperature); the logits come sorted, likeliest first.
  function odds(logits, temperature) {
    if (temperature <= 0) return logits.map((_, i) => (i ? 0 : 1));
    const raised = logits.map((score) => Math.exp((score - logits[0]) / temperature));
    const sum = raised.reduce((a, b) => a + b, 0);
    return raised.map((r) => r / sum);
  }

  function bend(view, temperature) {
    const p = odds(valuesOf(view).logits, temperature);
    const rows = [...view.querySelectorAll(".bars li")];
    const known = rows.filter((row) => !row.classList.contains("rest")).length;
    rows.forEach((row, i) => {
      const share = i < known ? p[i] : p.slice(known).reduce((a, b) => a + b, 0);
      row.querySelector("i").style.width = `${100 * share}%`;
      row.querySelector("output").textContent = percent(share);
    });
    const uncertainty = Math.exp(-p.reduce((sum, q) => sum + (q > 0 ? q * Math.log(q) : 0), 0));
    view.querySelector(".says b").textContent = uncertainty.toFixed(1);
    view.querySelector(".knob output").textContent = String(temperature);
    view.querySelector(".cursor").style.left = `${50 * temperature}%`;
  }

  document.addEventListener("input", (event) => {
    const target = event.target;
    if (target.matches?.(".knob input")) bend(target.closest("[data-next]"), parseFloat(target.value));
    if (target.matches?.(".units input")) paint(target.closest(".inside").querySelector("[data-walk]"), parseInt(target.value, 10));
  }, true);

  function begin(view) {
    if (view.matches("[data-next]")) bend(view, parseFloat(view.querySelector(".knob input").value));
    else if (view.dataset.walk === "surprise") show(view, valuesOf(view).start);
    else {
      const units = view.closest(".inside").querySelectorAll(".units input");
      const chosen = [...units].find((unit) => unit.checked) ?? units[0];
      chosen.checked = true;
      view.at = 0;
      paint(view, parseInt(chosen.value, 10));
    }
  }

  new MutationObserver(() => {
    for (const view of document.querySelectorAll("#inside-shown [data-values]")) {
      if (parsed.get(view)?.raw !== view.dataset.values) begin(view);
    }
  }).observe(document.documentElement, { childList: true, subtree: true, attributes: true, attributeFilter: ["data-values"] });

  window.charrnn.generatedText = () => document.querySelector("#written .text:not([hidden])")?.textContent ?? "";
})();
