// The curves of several runs in one chart.
import { LineChart, smooth } from "./charts.js";

const root = document.getElementById("compared");
const names = JSON.parse(root.dataset.names);
const controls = ["what", "smoothing", "most", "log-scale"].map((id) => document.getElementById(id));
const [what, smoothing, most, logScale] = controls;
const chart = new LineChart(document.getElementById("overlay"), { slider: true });

const runs = await Promise.all(
  JSON.parse(root.dataset.runs).map(async (id) => (await fetch(`/api/v1/runs/${id}?points=2000`)).json()),
);

function draw() {
  const curve = (run) => {
    if (what.value === "validation") return run.validations.map((each) => [each.step, each.loss]);
    return smooth(run.curve.map((each) => [each.step, each[what.value]]), Number(smoothing.value));
  };
  // Runs may have the same name; a series needs one of its own.
  const series = runs.map((run, place) => ({ name: `${place + 1} ${names[place]}`, points: curve(run), dots: what.value === "validation" }));
  chart.show({ log: logScale.checked, most: Number(most.value), series });
}

for (const each of controls) each.addEventListener("input", draw);
draw();
