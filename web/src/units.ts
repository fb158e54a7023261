/** Bytes, counts and times as text. Bytes are whole numbers until here. */

import { number } from './words'

const KIB = 1024
const UNITS = ['bytes', 'KiB', 'MiB', 'GiB', 'TiB'] as const
export const GIB = KIB ** 3

/** `14.96 GiB`, in the largest unit of which there is at least one. */
export function size(bytes: number): string {
  let value = Math.abs(bytes)
  let unit = 0
  while (value >= KIB && unit < UNITS.length - 1) {
    value /= KIB
    unit += 1
  }
  const digits = unit === 0 ? 0 : unit >= 3 ? 2 : 1
  const text = number(value, { minimumFractionDigits: digits, maximumFractionDigits: digits })
  return `${bytes < 0 ? '−' : ''}${text} ${UNITS[unit]}`
}

/** `14.96`: the number of GiB alone, for columns. */
export function gib(bytes: number, digits = 2): string {
  return number(bytes / GIB, { minimumFractionDigits: digits, maximumFractionDigits: digits })
}

/** `16,060,522,496 bytes`. */
export function exact(bytes: number): string {
  return `${number(bytes)} bytes`
}

/** `8.03B`, as model cards write it. */
export function parameters(count: number): string {
  for (const [letter, scale] of [['T', 1e12], ['B', 1e9], ['M', 1e6]] as const) {
    if (count >= scale) return `${number(count / scale, { maximumSignificantDigits: 3 })}${letter}`
  }
  return number(count)
}

/** `15.9 ms`, with three digits that count. */
export function time(seconds: number): string {
  const scales = [['s', 1], ['ms', 1e-3], ['µs', 1e-6]] as const
  if (seconds >= 120) return `${number(seconds / 60, { maximumSignificantDigits: 3 })} min`
  for (const [unit, scale] of scales) {
    if (seconds >= scale) return `${number(seconds / scale, { maximumSignificantDigits: 3 })} ${unit}`
  }
  return seconds === 0 ? '0 s' : `${number(seconds / 1e-9, { maximumSignificantDigits: 3 })} ns`
}

export function rate(perSecond: number): string {
  return number(perSecond, { maximumSignificantDigits: 3 })
}

/** `32K` for 32,768 and `48K`; other counts as they are. */
export function tokens(count: number): string {
  if (count >= 1024 ** 2 && count % 1024 ** 2 === 0) return `${number(count / 1024 ** 2)}M`
  if (count >= 1024 && count % 1024 === 0) return `${number(count / 1024)}K`
  return number(count)
}
