// <bar-chart data-counts="3,9,1" data-width="20">: a histogram; the last bar holds all that is longer.
class BarChart extends HTMLElement {
  connectedCallback() {
    this.chart = echarts.init(this, null, { renderer: "canvas" });
    this.draw();
    this.sized = new ResizeObserver(() => this.chart.resize());
    this.sized.observe(this);
    this.themed = new MutationObserver(() => this.draw());
    this.themed.observe(document.documentElement, { attributeFilter: ["data-bs-theme"] });
  }

  disconnectedCallback() {
    this.sized.disconnect();
    this.themed.disconnect();
    this.chart.dispose();
  }

  draw() {
    const { counts, width, x, y } = this.dataset;
    const values = counts.split(",").map(Number);
    const { color, borderTopColor, accentColor } = getComputedStyle(this);
    const text = { color };
    const line = { lineStyle: { color: borderTopColor } };
    this.chart.setOption({
      animation: false,
      grid: { left: 8, right: 16, top: 28, bottom: 4, containLabel: true },
      tooltip: { trigger: "axis", renderMode: "richText", axisPointer: { type: "shadow" } },
      xAxis: { type: "category", data: values.map((_, bar) => `${(bar * width).toLocaleString()}+`), name: x, nameLocation: "middle",
        nameGap: 26, nameTextStyle: text, axisLabel: text, axisLine: line, axisTick: { show: false } },
      yAxis: { type: "value", name: y, minInterval: 1, nameTextStyle: text, axisLabel: text, splitLine: line },
      series: [{ type: "bar", name: y, data: values, barCategoryGap: "8%", itemStyle: { color: accentColor } }],
    });
  }
}

customElements.define("bar-chart", BarChart);
