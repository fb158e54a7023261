/** Drawings on ECharts: only the parts that are used, no page elements of its own, no inline style. */

import { LineChart, ScatterChart } from 'echarts/charts'
import { GridComponent, MarkLineComponent, TooltipComponent } from 'echarts/components'
import { getInstanceByDom, init, use } from 'echarts/core'
import type { EChartsCoreOption } from 'echarts/core'
import { LabelLayout } from 'echarts/features'
import { CanvasRenderer, SVGRenderer } from 'echarts/renderers'
import { colour } from '../theme'
import type { Axis, Drawing, Line } from './Chart'

use([LineChart, ScatterChart, GridComponent, MarkLineComponent, TooltipComponent, LabelLayout, CanvasRenderer, SVGRenderer])

export function draw(holder: HTMLElement, drawing: Drawing): void {
  const chart = getInstanceByDom(holder) ?? init(holder, null, { renderer: 'canvas' })
  chart.setOption(optionOf(drawing), { notMerge: true })
}

export function fit(holder: HTMLElement): void {
  getInstanceByDom(holder)?.resize()
}

export function end(holder: HTMLElement): void {
  getInstanceByDom(holder)?.dispose()
}

/** The same drawing as an SVG document, drawn without a page. */
export function toSvg(drawing: Drawing, width: number, height: number): string {
  const chart = init(null, null, { renderer: 'svg', ssr: true, width, height })
  chart.setOption({ ...optionOf(drawing), backgroundColor: colour('--surface') })
  const text = chart.renderToSVGString()
  chart.dispose()
  return text
}

const FONT = 'system-ui, sans-serif'

function optionOf(drawing: Drawing): EChartsCoreOption {
  const ink = colour('--ink')
  const quiet = colour('--quiet')
  return {
    animation: false,
    textStyle: { fontFamily: FONT, color: ink },
    grid: { left: 8, right: 20, top: 30, bottom: 30, containLabel: true },
    tooltip: {
      trigger: drawing.dots.length > 0 ? 'item' : 'axis',
      renderMode: 'richText',
      confine: true,
      backgroundColor: colour('--raised'),
      borderColor: colour('--line'),
      textStyle: { color: ink, fontSize: 12, fontFamily: FONT },
      axisPointer: { type: 'line', lineStyle: { color: quiet } },
      valueFormatter: (value: unknown) => drawing.y.write(Number(Array.isArray(value) ? value[1] : value)),
    },
    xAxis: { ...axis(drawing.x), nameLocation: 'middle', nameGap: 28, axisPointer: { label: { formatter: ({ value }: { value: number }) => drawing.x.write(value) } } },
    yAxis: { ...axis(drawing.y), nameLocation: 'end', nameGap: 12, nameTextStyle: { align: 'left', color: quiet } },
    series: [
      ...drawing.lines.map((line, at) => series(line, drawing, at === 0)),
      {
        type: 'scatter',
        symbolSize: 13,
        itemStyle: { color: colour('--accent'), borderColor: colour('--surface'), borderWidth: 2 },
        label: { show: true, formatter: ({ name }: { name: string }) => name, position: 'bottom', distance: 6, color: ink, fontWeight: 600 },
        data: drawing.dots.map((dot, at) => ({ name: dot.name, value: dot.at, label: { position: at === 0 ? 'right' : 'bottom' } })),
        z: 5,
      },
    ],
  }
}

function axis({ name, scale, min, max, base, write }: Axis): Record<string, unknown> {
  return {
    type: scale,
    name,
    ...(base === undefined ? {} : { logBase: base }),
    ...(min === undefined ? {} : { min }),
    ...(max === undefined ? {} : { max }),
    nameTextStyle: { color: colour('--quiet') },
    axisLabel: { color: colour('--quiet'), formatter: (value: number) => write(value), hideOverlap: true },
    axisLine: { show: true, lineStyle: { color: colour('--line') } },
    axisTick: { show: false },
    splitLine: { lineStyle: { color: colour('--faint') } },
  }
}

function series(line: Line, drawing: Drawing, first: boolean): Record<string, unknown> {
  const paint = { main: colour('--accent'), side: colour('--quiet'), limit: colour('--ink') }[line.role]
  return {
    type: 'line',
    name: line.name,
    data: labelled(line, drawing),
    labelLayout: { moveOverlap: 'shiftY', hideOverlap: true },
    symbol: line.role === 'limit' ? 'none' : 'circle',
    symbolSize: line.role === 'main' ? 6 : 4,
    lineStyle: { color: paint, width: line.role === 'side' ? 1.25 : 2.25 },
    itemStyle: { color: paint },
    ...(first ? { markLine: markLine(drawing) } : {}),
  }
}

/** The points of a line; the last that is in sight carries its name. */
function labelled(line: Line, drawing: Drawing): unknown[] {
  const { max } = drawing.y
  const last = line.points.findLastIndex(([, y]) => max === undefined || y <= max)
  if (line.role === 'limit') return line.points
  const label = { show: true, formatter: line.name, position: 'left', distance: 8, color: colour(line.role === 'main' ? '--accent' : '--quiet') }
  return line.points.map((value, at) => (at === last ? { value, label } : { value }))
}

function markLine({ limit, here }: Drawing): Record<string, unknown> {
  const data: unknown[] = []
  if (limit !== undefined) {
    data.push({ yAxis: limit.at, lineStyle: { color: colour('--over'), width: 1.5, type: 'solid' }, label: { formatter: limit.name, position: 'insideStartTop', color: colour('--over') } })
  }
  if (here !== undefined) {
    data.push({ xAxis: here, lineStyle: { color: colour('--accent'), type: 'dashed', width: 1 }, label: { show: false } })
  }
  return { symbol: 'none', silent: true, data }
}
