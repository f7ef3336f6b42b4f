// Panels of a dashboard, drawn by Grafana's own components (@grafana/ui) from what their queries brought.
//
// Owns: the way from a panel's JSON and the answers of Prometheus to these components. Must not know: Prometheus, what a panel is for.
// BUGS: only what the dashboard uses: panels `row`, `stat` and `timeseries`, no overrides, UTC.
import React from "react";
import { createRoot } from "react-dom/client";
import { FieldType, ThemeContext, createTheme, dateTime, dateTimeFormat, getDisplayProcessor, toDataFrame } from "@grafana/data";
import { BigValue, GlobalStyles, PanelChrome, TimeSeries } from "@grafana/ui";

const { panels, answers, from, to, width, mode } = window.SHOWN;
const theme = createTheme({ colors: { mode } });
// Grafana's grid: 24 columns, and rows of 30 pixels with a gap of 8.
const COLUMN = width / 24, ROW = 38, GAP = 8;
const RANGE = { from: dateTime(from), to: dateTime(to), raw: { from: dateTime(from), to: dateTime(to) } };

function named(format, labels) {
  return format.replace(/\{\{\s*(\w+)\s*\}\}/g, (_, label) => labels[label] ?? "");
}

// A frame for each series of a panel.
function frames(panel) {
  const series = answers.filter((answer) => answer.panel === panel.id)
    .flatMap((answer) => answer.series.map((one) => ({ ...one, name: named(answer.legend, one.metric) || "Value" })));
  return series.map(({ name, values }, seriesIndex) => {
    const numbers = values.map(([, value]) => (value === "NaN" ? null : Number(value)));
    const frame = toDataFrame({ fields: [
      { name: "Time", type: FieldType.time, values: values.map(([time]) => time * 1000) },
      { name: "Value", type: FieldType.number, values: numbers },
    ] });
    const [time, field] = frame.fields;
    field.config = { ...panel.fieldConfig.defaults, displayName: name };
    field.state = { seriesIndex, displayName: name };
    field.display = getDisplayProcessor({ field, theme, timeZone: "utc" });
    time.display = (value) => ({ text: dateTimeFormat(value, { format: "HH:mm:ss", timeZone: "utc" }), numeric: value });
    return frame;
  });
}

function Stat({ panel, width, height }) {
  const last = frames(panel).map((frame) => {
    const field = frame.fields[1], known = field.values.filter((value) => value !== null);
    return known.length && { ...field.display(known.at(-1)), title: field.state.displayName };
  }).filter(Boolean);
  const { textMode, colorMode } = panel.options;
  const shown = textMode === "auto" && last.length === 1 ? last.map((value) => ({ ...value, title: "" })) : last;
  return <div style={{ display: "flex" }}>
    {shown.map((value, at) => <BigValue key={at} value={value} width={width / shown.length} height={height} theme={theme}
      textMode={textMode} colorMode={colorMode} graphMode="none" justifyMode="auto" />)}
  </div>;
}

function Panel({ panel }) {
  const { x, y, w, h } = panel.gridPos, size = { width: w * COLUMN - GAP, height: h * ROW - GAP };
  const place = { position: "absolute", left: x * COLUMN + GAP / 2, top: y * ROW + GAP / 2, ...size };
  if (panel.type === "row") {
    return <div style={{ ...place, fontSize: 16, fontWeight: 500, color: theme.colors.text.primary }}>⌄ {panel.title}</div>;
  }
  const content = (width, height) => (panel.type === "stat" ? <Stat panel={panel} width={width} height={height} />
    : <TimeSeries frames={frames(panel)} structureRev={1} timeRange={RANGE} timeZone="utc" width={width} height={height}
        legend={panel.options.legend} options={{}} />);
  return <div style={place}><PanelChrome title={panel.title} padding="md" {...size}>{content}</PanelChrome></div>;
}

const height = Math.max(...panels.map(({ gridPos }) => gridPos.y + gridPos.h)) * ROW;
createRoot(document.getElementById("root")).render(<ThemeContext.Provider value={theme}>
  <GlobalStyles />
  <div style={{ position: "relative", width, height, background: theme.colors.background.canvas }}>
    {panels.map((panel) => <Panel key={panel.id} panel={panel} />)}
  </div>
</ThemeContext.Provider>);
