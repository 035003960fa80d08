// Explorers and predictions of the published pages. Everything they show is in the page:
// no kernel, no network. The pictures come from the notebooks' stored states.
(() => {
  "use strict";
  const SVG = "http://www.w3.org/2000/svg";

  function element(name, attributes) {
    const made = document.createElementNS(SVG, name);
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    return made;
  }

  class Explorer {
    constructor(figure) {
      this.data = JSON.parse(figure.querySelector("script").textContent);
      this.fields = [...figure.querySelectorAll("input, select")];
      this.sentence = figure.querySelector("figcaption");
      this.place = figure.querySelector(".masks-picture");
      this.scenes = this.data.scenes.map(() => null);
      const form = figure.querySelector("form");
      form.addEventListener("input", () => this.show());
      form.addEventListener("submit", (event) => event.preventDefault());
      form.hidden = false;
      this.place.textContent = "";
      this.show();
      figure.explorer = this; // for tests
    }

    // The place of each control's value in its list, and of their combination in the states.
    values() {
      return this.fields.map((field) =>
        field.type === "checkbox" ? Number(field.checked)
        : field.type === "range" ? Number(field.value) : field.selectedIndex);
    }

    show() {
      const { data } = this;
      const values = this.values();
      this.fields.forEach((field, i) => {
        if (field.type !== "range") return;
        const text = JSON.parse(field.dataset.values)[values[i]];
        field.setAttribute("aria-valuetext", text);
        field.nextElementSibling.textContent = text;
      });
      const state = values.reduce((place, value, i) => place * data.sizes[i] + value, 0);
      const [picture, sentence] = data.states[state];
      this.sentence.textContent = data.sentences[sentence];
      this.draw(data.pictures[picture], data.sentences[sentence]);
    }

    draw([number, panels], words) {
      const scene = (this.scenes[number] ??= this.scene(this.data.scenes[number]));
      if (this.shown !== scene) {
        this.place.replaceChildren(scene.svg);
        this.shown = scene;
      }
      scene.svg.setAttribute("aria-label", words);
      panels.forEach(([texts, cells, inks], p) => {
        const written = this.data.texts[texts];
        scene.panels[p].forEach(([rect, text], i) => {
          rect.setAttribute("fill", this.data.palette[parseInt(cells.substr(2 * i, 2), 16)] || "none");
          if (text.textContent !== written[i]) text.textContent = written[i];
          text.setAttribute("fill", this.data.inks[Number(inks[i])]);
        });
      });
    }

    // What stands still, and a rectangle and a text for each cell.
    scene({ svg, size, boxes }) {
      const [width, height] = size;
      const root = element("svg", { viewBox: `0 0 ${width} ${height}`, role: "img" });
      root.style.maxWidth = `${(width * 4) / 3}px`;
      root.innerHTML = `<defs>${this.data.glyphs}</defs>${svg}`;
      const panels = boxes.map(([x, y, w, h, rows, columns]) => {
        const cells = [];
        const group = element("g", { "text-anchor": "middle", "font-size": this.data.font });
        for (let i = 0; i < rows * columns; i++) {
          const left = x + ((i % columns) * w) / columns;
          const top = y + (Math.floor(i / columns) * h) / rows;
          const place = { x: left, y: top, width: w / columns, height: h / rows };
          const rect = element("rect", { ...place, stroke: "#fff", "stroke-width": 0.72 });
          const text = element("text", {
            x: left + place.width / 2, y: top + place.height / 2 + 0.36 * this.data.font,
          });
          group.append(rect, text);
          cells.push([rect, text]);
        }
        root.append(group);
        return cells;
      });
      return { svg: root, panels };
    }
  }

  function prediction(box) {
    const cells = [...box.querySelectorAll("td button")];
    const status = box.querySelector("[role=status]");
    const ask = status.textContent;
    const columns = box.querySelectorAll("thead th").length;
    const texts = cells.map((cell) => cell.textContent);
    const masked = (cell) => cell.getAttribute("aria-pressed") === "true";
    const paint = (cell, i, mark = "") => {
      cell.textContent = `${mark} ${texts[i]}`.trim();
      cell.setAttribute("aria-label",
        `${cell.dataset.name}: you say ${masked(cell) ? "masked" : "kept"}${mark && (mark === "✓" ? ", right" : ", wrong")}`);
    };
    cells.forEach((cell, i) => {
      cell.disabled = false;
      cell.addEventListener("click", () => {
        cell.setAttribute("aria-pressed", String(!masked(cell)));
        if (status.textContent !== ask) cells.forEach((other, j) => paint(other, j));
        status.textContent = ask;
        paint(cell, i);
      });
      cell.addEventListener("keydown", (event) => {
        const step = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -columns, ArrowDown: columns }[event.key];
        if (step === undefined || !cells[i + step]) return;
        event.preventDefault();
        cells[i + step].focus();
      });
    });
    const check = box.querySelector(".masks-check");
    check.disabled = false;
    check.addEventListener("click", () => {
      const right = cells.map((cell, i) => masked(cell) === (box.dataset.answer[i] === "0"));
      cells.forEach((cell, i) => paint(cell, i, right[i] ? "✓" : "✗"));
      const wrong = right.indexOf(false);
      let verdict = `${right.filter(Boolean).length} of ${right.length} right.`;
      if (wrong < 0) {
        verdict += " That is the mask.";
      } else {
        const text = "·?".includes(texts[wrong]) ? "" : `, “${texts[wrong]}”`;
        verdict += ` Look again at ${cells[wrong].dataset.where}${text}: it is not ${masked(cells[wrong]) ? "masked" : "kept"}.`;
      }
      status.textContent = verdict;
    });
  }

  // For printing, everything is open; afterwards it is as it was.
  function openForPrint() {
    const opened = [];
    addEventListener("beforeprint", () => {
      for (const fold of document.querySelectorAll("details:not([open])")) {
        fold.open = true;
        opened.push(fold);
      }
    });
    addEventListener("afterprint", () => opened.splice(0).forEach((fold) => { fold.open = false; }));
  }

  document.addEventListener("DOMContentLoaded", () => {
    document.querySelectorAll(".masks-explorer").forEach((figure) => new Explorer(figure));
    document.querySelectorAll(".masks-prediction").forEach(prediction);
    openForPrint();
  });
})();
