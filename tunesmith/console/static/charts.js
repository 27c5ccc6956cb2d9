// Line charts that follow the theme. ECharts draws on a canvas and its tooltips are text there, never
// HTML: names that people gave cannot become markup, and the content security policy holds.
const MOST_REDRAWS_A_SECOND = 5;
const charts = new Set();

// A theme's color as numbers: style sheets may mix colors in ways that ECharts does not read.
const canvas = Object.assign(document.createElement("canvas"), { width: 1, height: 1 });
const pixel = canvas.getContext("2d", { willReadFrequently: true });
function color(name) {
  canvas.style.color = `var(--tblr-${name})`;
  document.body.append(canvas);
  pixel.clearRect(0, 0, 1, 1);
  pixel.fillStyle = getComputedStyle(canvas).color;
  pixel.fillRect(0, 0, 1, 1);
  canvas.remove();
  const [red, green, blue, alpha] = pixel.getImageData(0, 0, 1, 1).data;
  return `rgba(${red},${green},${blue},${(alpha / 255).toFixed(2)})`;
}

let colors;
const readColors = () => ({
  lines: ["primary", "orange", "green", "purple", "red", "cyan", "yellow", "pink"].map(color),
  text: color("secondary"),
  grid: color("border-color"),
  ground: color("bg-surface"),
  ink: color("body-color"),
});

export const figure = (value) => {
  if (value === 0 || !Number.isFinite(value)) return String(value);
  const size = Math.abs(value);
  return size < 1e-3 || size >= 1e6 ? value.toExponential(2) : String(Number(value.toPrecision(4)));
};

// A chart in `element`. `show` takes {series: [{name, points, color?, faint?, dots?}], log?, most?, xName?}:
// points are [x, y]; color is a place in the palette; `most` is the share of all values that has to be
// seen, so that a few outliers do not press the rest flat. Charts of one `group` zoom together.
export class LineChart {
  constructor(element, { group, slider = false } = {}) {
    this.chart = echarts.init(element);
    this.slider = slider;
    this.drawnAt = -Infinity;
    if (group) {
      this.chart.group = group;
      echarts.connect(group);
    }
    new ResizeObserver(() => this.chart.resize()).observe(element);
    charts.add(this);
  }

  // Draws soon: what is shown in quick succession is drawn once.
  show(content) {
    this.content = content;
    if (this.waiting) return;
    const due = this.drawnAt + 1000 / MOST_REDRAWS_A_SECOND - performance.now();
    this.waiting = setTimeout(() => requestAnimationFrame(() => this.draw()), Math.max(0, due));
  }

  draw() {
    this.waiting = undefined;
    if (!this.content) return;
    const begun = performance.now();
    const options = optionsOf(this.content, (colors ??= readColors()), this.slider);
    this.chart.setOption(options, { replaceMerge: ["series"] });
    this.drawnAt = performance.now();
    this.chart.getDom().dataset.top = options.yAxis.max ?? "";
    this.chart.getDom().dataset.drawMs = (this.drawnAt - begun).toFixed(1);
    this.chart.getDom().dataset.points = this.content.series.reduce((sum, each) => sum + each.points.length, 0);
  }
}

function optionsOf({ series, log = false, most = 1, xName = "" }, colors, slider) {
  const axis = {
    axisLine: { lineStyle: { color: colors.grid } },
    axisLabel: { color: colors.text, formatter: figure, hideOverlap: true },
    splitLine: { lineStyle: { color: colors.grid } },
  };
  return {
    animation: false,
    grid: { left: 8, right: 16, top: series.length > 1 ? 36 : 12, bottom: slider ? 48 : 24, containLabel: true },
    legend: { show: series.length > 1, type: "scroll", top: 0, icon: "roundRect", itemHeight: 3, textStyle: { color: colors.text } },
    tooltip: {
      trigger: "axis",
      renderMode: "richText",
      backgroundColor: colors.ground,
      borderColor: colors.grid,
      textStyle: { color: colors.ink },
      valueFormatter: figure,
      axisPointer: { label: { formatter: ({ value }) => figure(value) } },
    },
    xAxis: { ...axis, type: "value", min: "dataMin", max: "dataMax", name: xName, nameLocation: "middle", nameGap: 24,
      nameTextStyle: { color: colors.text }, splitLine: { show: false } },
    yAxis: { ...axis, type: log ? "log" : "value", scale: true, max: most < 1 ? quantile(series, most) : null },
    dataZoom: [{ type: "inside" }, ...(slider ? [{ type: "slider", height: 14, bottom: 4, showDetail: false,
      borderColor: colors.grid, brushSelect: false }] : [])],
    series: series.map((each, place) => ({
      type: "line",
      name: each.name,
      data: log ? each.points.filter(([, y]) => y > 0) : each.points,
      sampling: "lttb",
      showSymbol: Boolean(each.dots) && each.points.length < 100,
      symbolSize: 6,
      color: colors.lines[(each.color ?? place) % colors.lines.length],
      lineStyle: { width: each.faint ? 1 : 2, opacity: each.faint ? 0.35 : 1 },
      itemStyle: { opacity: each.faint ? 0.35 : 1 },
      emphasis: { disabled: true },
    })),
  };
}

// The value that a share of all points does not exceed.
function quantile(series, share) {
  const values = Float64Array.from(series.flatMap(({ points }) => points.map(([, y]) => y))).sort();
  return values[Math.floor(share * (values.length - 1))];
}

// Exponential moving average without the pull of its beginning towards zero; weight 0 changes nothing.
export function smooth(points, weight) {
  let sum = 0;
  let total = 0;
  return points.map(([x, y]) => {
    sum = weight * sum + (1 - weight) * y;
    total = weight * total + (1 - weight);
    return [x, sum / total];
  });
}

function repaint() {
  colors = undefined;
  charts.forEach((chart) => chart.draw());
}

new MutationObserver(repaint).observe(document.documentElement, { attributeFilter: ["data-bs-theme"] });
