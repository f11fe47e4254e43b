// Draws the Vega charts of a page in place of the pictures that the server sent, without evaluating code.
import { expressionInterpreter } from "vega-interpreter";

const { vega } = globalThis;

/** Replace the picture in an element by an interactive chart from the address that the element names. */
async function draw(element) {
  const response = await fetch(element.dataset.chart);
  if (!response.ok) return;
  const { drawing } = await response.json();
  const runtime = vega.parse(drawing.vega, {}, { ast: true });
  const view = new vega.View(runtime, { expr: expressionInterpreter, renderer: "svg", hover: true });
  element.replaceChildren();
  await view.initialize(element).runAsync();
}

// Narrow screens keep the form that the server drew for them.
for (const element of document.querySelectorAll("[data-chart]")) {
  if (element.checkVisibility()) draw(element);
}
