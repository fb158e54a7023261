/** Users × context as a table whose cells can be taken: its own alternative for those who do not see it. */

import { useRef, useState } from 'preact/hooks'
import type { Room } from '../types'
import { GIB, gib, tokens } from '../units'
import { number, t } from '../words'

interface Props {
  found: Room
  context: number
  users: number
  onPick: (context: number, users: number) => void
}

export function FitMap({ found, context, users, onPick }: Props) {
  const grid = useRef<HTMLTableElement>(null)
  const [at, setAt] = useState<[number, number]>([0, 0])
  const move = (event: KeyboardEvent, row: number, column: number): void => {
    const rtl = document.documentElement.dir === 'rtl' ? -1 : 1
    const steps: Record<string, [number, number]> = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -rtl], ArrowRight: [0, rtl] }
    const step = steps[event.key]
    if (step === undefined) return
    event.preventDefault()
    const next: [number, number] = [clamp(row + step[0], found.contexts.length), clamp(column + step[1], found.concurrencies.length)]
    setAt(next)
    grid.current?.querySelector<HTMLElement>(`[data-at="${next.join('-')}"]`)?.focus()
  }
  return (
    <div class="scroll">
      <table class="map" ref={grid} role="grid" aria-label={t('map.title')}>
        <thead>
          <tr>
            <th scope="col" class="corner">{t('map.corner')}</th>
            {found.concurrencies.map((count) => <th key={count} scope="col"><bdi>{number(count)}</bdi></th>)}
          </tr>
        </thead>
        <tbody>
          {found.contexts.map((length, row) => (
            <tr key={length}>
              <th scope="row"><bdi>{tokens(length)}</bdi></th>
              {found.concurrencies.map((count, column) => {
                const bytes = found.need_bytes[row]?.[column] ?? 0
                const kind = kindOf(found, row, column)
                const shown = short(bytes)
                const label = t('map.cell', { context: tokens(length), users: count, size: shown.endsWith('T') ? shown : `${shown} GiB`, verdict: t(`verdict.${kind}`) })
                const current = length === context && count === users
                return (
                  <td key={count} role="gridcell" class={kind} aria-selected={current}>
                    <button
                      type="button"
                      data-at={`${row}-${column}`}
                      tabIndex={at[0] === row && at[1] === column ? 0 : -1}
                      class={current ? 'current' : ''}
                      aria-label={label}
                      title={label}
                      onKeyDown={(event) => move(event, row, column)}
                      onClick={() => onPick(length, count)}
                    >
                      <bdi>{shown}</bdi>
                    </button>
                  </td>
                )
              })}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  )
}

/** `17`, `9.5` GiB, and `2T` from a thousand on. */
function short(bytes: number): string {
  if (bytes >= 999.5 * GIB) return `${number(Math.round(bytes / GIB / 1024))}T`
  return gib(bytes, bytes < 9.95 * GIB ? 1 : 0)
}

function kindOf(found: Room, row: number, column: number): 'fits' | 'tight' | 'over' | 'unknown' {
  const fits = found.holds?.[row]?.[column]
  if (fits === undefined) return 'unknown'
  if (!fits) return 'over'
  return (found.need_bytes[row]?.[column] ?? 0) > 0.95 * (found.usable_bytes ?? Infinity) ? 'tight' : 'fits'
}

function clamp(value: number, count: number): number {
  return Math.min(Math.max(value, 0), count - 1)
}
