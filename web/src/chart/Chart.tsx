/** A chart of lines and points: what is drawn, said in data; ECharts draws it once it has been loaded. */

import { useEffect, useRef } from 'preact/hooks'
import { Figure } from '../ui/Figure'
import type { Table } from '../ui/Figure'
import { lang, persianDigits } from '../words'
import { scheme } from '../theme'

export interface Axis {
  name: string
  scale: 'log' | 'value'
  min?: number
  max?: number
  base?: number
  write: (value: number) => string
}

export interface Line {
  name: string
  role: 'main' | 'side' | 'limit'
  points: [number, number][]
}

export interface Drawing {
  x: Axis
  y: Axis
  lines: Line[]
  dots: { name: string; at: [number, number] }[]
  /** a line across at this height */
  limit?: { at: number; name: string }
  /** where the question at hand stands on the x axis */
  here?: number
}

interface Props {
  name: string
  summary: string
  table: Table
  drawing: Drawing
}

const REST = 120

export function Chart({ name, summary, table, drawing }: Props) {
  const place = useRef<HTMLDivElement>(null)
  const drawn = useRef(false)
  const words = `${lang.value}${String(persianDigits.value)}${scheme.value}`
  useEffect(() => {
    let alive = true
    const redraw = (): void => void import('./draw').then(({ draw }) => alive && place.current !== null && draw(place.current, drawing))
    // While a slider moves, the ledger goes first.
    const timer = setTimeout(redraw, drawn.current ? REST : 0)
    drawn.current = true
    return () => {
      alive = false
      clearTimeout(timer)
    }
  }, [drawing, words])
  useEffect(() => {
    const holder = place.current
    if (holder === null) return
    const watch = new ResizeObserver(() => void import('./draw').then(({ fit }) => fit(holder)))
    watch.observe(holder)
    return () => {
      watch.disconnect()
      void import('./draw').then(({ end }) => end(holder))
    }
  }, [])
  const size = (): [number, number] => [place.current?.clientWidth ?? 720, place.current?.clientHeight ?? 300]
  return (
    <Figure
      name={name}
      summary={summary}
      table={table}
      svg={async () => (await import('./draw')).toSvg(drawing, ...size())}
      png={async () => {
        const svg = (await import('./draw')).toSvg(drawing, ...size())
        return (await import('../export/save')).pngOf(svg, ...size())
      }}
    >
      <div class="chart" dir="ltr" ref={place} aria-hidden="true" />
    </Figure>
  )
}
