/** The stacked bar of a device: what it holds against what it can hold, with the bounds of the sum. */

import { useLayoutEffect, useRef, useState } from 'preact/hooks'
import { colourClass, inOrder } from '../terms'
import type { Device, Phase } from '../types'
import { GIB, gib, size } from '../units'
import { named, number, t } from '../words'

interface Props {
  device: Device
  ledger: Phase
  /** bytes that the full width stands for, the same for every bar of an answer */
  scale: number
  label: string
}

const [TOP, HEIGHT, WHISKER, FOOT] = [20, 40, 12, 34]

export function Bar({ device, ledger, scale, label }: Props) {
  const holder = useRef<HTMLDivElement>(null)
  const [width, setWidth] = useState(720)
  useLayoutEffect(() => {
    if (holder.current === null) return
    const watch = new ResizeObserver(([entry]) => entry && setWidth(Math.max(240, Math.floor(entry.contentRect.width))))
    watch.observe(holder.current)
    return () => watch.disconnect()
  }, [])
  const x = (bytes: number): number => (bytes / scale) * (width - 2) + 1
  let from = 0
  const segments = inOrder(ledger.terms).map((term) => {
    const segment = { term, from, to: from + term.bytes }
    from = segment.to
    return segment
  })
  const limit = device.usable_bytes
  const middle = TOP + HEIGHT + WHISKER
  const bottom = TOP + HEIGHT + FOOT
  return (
    <div class="bar" ref={holder} dir="ltr">
      <svg width={width} height={bottom} viewBox={`0 0 ${width} ${bottom}`} role="img" aria-label={label}>
        <rect class="track" x={1} y={TOP} width={limit === null ? width - 2 : x(limit) - 1} height={HEIGHT} rx={3} />
        {segments.filter(({ term }) => term.bytes > 0).map(({ term, from: start, to }) => (
          <g key={term.name + term.formula} class={colourClass(term.name)} data-term={term.name}>
            <rect x={x(start)} y={TOP} width={Math.max(x(to) - x(start) - 1, 0.75)} height={HEIGHT} rx={1.5}>
              <title>{`${named('term', term.name)}: ${size(term.bytes)}`}</title>
            </rect>
            {x(to) - x(start) > 76 && (
              <text class="inside" x={x(start) + 8} y={TOP + 17}>
                <tspan>{shortened(named('term', term.name), x(to) - x(start) - 14)}</tspan>
                <tspan class="amount" x={x(start) + 8} dy={15}>{gib(term.bytes)} GiB</tspan>
              </text>
            )}
          </g>
        ))}
        {limit !== null && ledger.total_bytes > limit && (
          <rect class="over" x={x(limit)} y={TOP} width={Math.max(x(ledger.total_bytes) - x(limit), 1)} height={HEIGHT} />
        )}
        <path class="whisker" d={`M${x(ledger.low)} ${middle - 4}v8M${x(ledger.high)} ${middle - 4}v8M${x(ledger.low)} ${middle}H${x(ledger.high)}`} />
        <circle class="whisker-dot" cx={x(ledger.total_bytes)} cy={middle} r={2.5} />
        {limit !== null && (
          <>
            <path class="limit" d={`M${x(limit)} ${TOP - 6}V${TOP + HEIGHT + 6}`} />
            <text class="limit-label" x={Math.min(x(limit), width - 2)} y={TOP - 9} text-anchor={x(limit) > width / 2 ? 'end' : 'start'}>
              {usableLabel(limit)}
            </text>
          </>
        )}
        {ticks(scale, width).map((tick) => (
          <text key={tick} class="tick" x={x(tick)} y={bottom - 3} text-anchor={tick === 0 ? 'start' : x(tick) > width - 20 ? 'end' : 'middle'}>
            {tick === 0 ? `0 GiB` : number(tick / GIB)}
          </text>
        ))}
      </svg>
    </div>
  )
}

/** The words and the number, each in its own direction. */
export function usableLabel(limit: number): string {
  return `\u2068${t('bar.usable')}\u2069 \u2066${gib(limit)} GiB\u2069`
}

/** Round numbers of GiB, about one for every hundred points. */
function ticks(scale: number, width: number): number[] {
  const rough = scale / GIB / Math.max(2, width / 100)
  const power = 2 ** Math.ceil(Math.log2(Math.max(rough, 1 / 64)))
  const found: number[] = []
  for (let at = 0; at * power * GIB <= scale; at += 1) found.push(at * power * GIB)
  return found
}

/** As much of a word as has room, about six points a letter. */
function shortened(text: string, room: number): string {
  const most = Math.floor(room / 6.4)
  return text.length <= most ? text : `${text.slice(0, Math.max(most - 1, 1))}…`
}
