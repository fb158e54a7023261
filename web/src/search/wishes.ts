/** The searches below the answer: which are open and what is wished of each. The link carries both. */

import { signal } from '@preact/signals'
import type { Options, Value } from '../types'

export const PARTS = ['recommend', 'fleet', 'place'] as const
export type Part = (typeof PARTS)[number]

export interface Searches {
  open: Part[]
  wishes: Record<Part, Options>
}

/** What stands in the forms where no link says otherwise; a name that is absent is the API's default. */
export const USUAL: Record<Part, Options> = {
  recommend: { ttft: 2, tpot: 0.05 },
  fleet: { users: 1000, think: 10, input_tokens: 1024, slo_ttft: 2, slo_tpot: 0.1, slo_share: 95 },
  place: { host_memory: '64GB' },
}

export const searches = signal<Searches>({ open: [], wishes: USUAL })

export function toggle(part: Part): void {
  const { open, wishes } = searches.value
  searches.value = { wishes, open: open.includes(part) ? open.filter((each) => each !== part) : [...open, part] }
}

/** Set a wish; null takes it back. */
export function wish(part: Part, name: string, value: Value | null): void {
  const { open, wishes } = searches.value
  const { [name]: _, ...rest } = wishes[part]
  const kept = value === null || value === '' ? rest : { ...rest, [name]: value }
  searches.value = { open, wishes: { ...wishes, [part]: kept } }
}

/** Write what is open into a link: `open=fleet&fleet.users=1000`. */
export function writeSearches({ open, wishes }: Searches, text: URLSearchParams): void {
  if (open.length === 0) return
  text.set('open', open.join(','))
  for (const part of open) {
    for (const [name, value] of Object.entries(wishes[part])) text.set(`${part}.${name}`, String(value))
  }
}

/** What a link says of the searches; a form that it leaves closed holds the usual. */
export function readSearches(text: URLSearchParams): Searches {
  const named = (text.get('open') ?? '').split(',')
  const open = PARTS.filter((part) => named.includes(part))
  const wishes = { ...USUAL }
  for (const part of open) {
    const start = `${part}.`
    const given = [...text].filter(([name]) => name.startsWith(start))
    wishes[part] = Object.fromEntries(given.map(([name, value]) => [name.slice(start.length), value]))
  }
  return { open, wishes }
}

/** Whether a name of a link belongs to a search and not to the question. */
export function ofSearch(name: string): boolean {
  return name === 'open' || PARTS.some((part) => name.startsWith(`${part}.`))
}
