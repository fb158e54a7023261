/** A slider over a table of stops, and the number beside it for whatever lies between. */

import { useId, useState } from 'preact/hooks'
import { number, t } from '../words'

interface Props {
  name: string
  label: string
  stops: number[]
  /** null is the engine's own choice */
  value: number | null
  automatic?: string
  write?: (value: number) => string
  hint?: string
  onChange: (value: number | null) => void
}

/** The stop nearest to a value, on the scale of their order. */
export function nearest(stops: number[], value: number): number {
  let best = 0
  stops.forEach((stop, at) => {
    if (Math.abs(Math.log(stop / value)) < Math.abs(Math.log((stops[best] ?? 1) / value))) best = at
  })
  return best
}

export function Slider({ name, label, stops, value, automatic, write = number, hint, onChange }: Props) {
  const id = useId()
  const [typed, setTyped] = useState<string | null>(null)
  const shift = automatic === undefined ? 0 : 1
  const at = value === null ? 0 : nearest(stops, value) + shift
  const text = value === null ? (automatic ?? '') : write(value)
  const settle = (): void => {
    if (typed === null) return
    setTyped(null)
    const wanted = count(typed)
    if (typed.trim() === '' && automatic !== undefined) onChange(null)
    else if (wanted !== null) onChange(wanted)
  }
  return (
    <div class="field slider">
      <label for={id}>{label}</label>
      <input
        class="exact"
        type="text"
        inputMode="numeric"
        dir="ltr"
        name={`${name}_exact`}
        aria-label={t('slider.exact', { name: label })}
        value={typed ?? (value === null ? '' : String(value))}
        placeholder={automatic ?? ''}
        onInput={(event) => setTyped(event.currentTarget.value)}
        onBlur={settle}
        onKeyDown={(event) => event.key === 'Enter' && settle()}
      />
      <input
        id={id}
        name={name}
        type="range"
        min={0}
        max={stops.length - 1 + shift}
        step={1}
        value={at}
        aria-valuetext={text}
        onInput={(event) => {
          const place = Number(event.currentTarget.value) - shift
          onChange(place < 0 ? null : (stops[place] ?? null))
        }}
      />
      {hint !== undefined && <p class="hint">{hint}</p>}
    </div>
  )
}

/** `32K` is 32,768 and `32k` 32,000, as on the command line; digits of any script. */
export function count(text: string): number | null {
  const latin = text.trim().replace(/[۰-۹]/g, (digit) => String('۰۱۲۳۴۵۶۷۸۹'.indexOf(digit)))
  const match = /^(\d[\d,_.]*)([kKmM]?)$/.exec(latin)
  if (match === null) return null
  const scale = { k: 1000, K: 1024, m: 1e6, M: 1024 ** 2 }[match[2] ?? ''] ?? 1
  const found = Math.round(Number((match[1] ?? '').replace(/[,_]/g, '')) * scale)
  return found >= 1 && Number.isSafeInteger(found) ? found : null
}
