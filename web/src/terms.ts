/** How terms are ordered and coloured everywhere, and devices that hold the same put together. */

import type { Device, Phase, Term } from './types'

/** In the order in which terms are shown; the colour stands in the style sheet under this name. */
export const TERMS = [
  'weights',
  'master_weights',
  'adapters',
  'gradients',
  'optimizer',
  'kv_cache',
  'state',
  'activations',
  'logits',
  'workspace',
  'graphs',
  'context',
  'reserve',
] as const

export function inOrder(terms: Term[]): Term[] {
  const place = (term: Term): number => {
    const at = (TERMS as readonly string[]).indexOf(term.name)
    return at < 0 ? TERMS.length : at
  }
  return [...terms].sort((a, b) => place(a) - place(b))
}

export function colourClass(name: string): string {
  return (TERMS as readonly string[]).includes(name) ? `c-${name}` : 'c-other'
}

/** The rungs of the ladder of evidence, the weakest first. */
export const LADDER = ['rule', 'assumed', 'config', 'header', 'traced', 'calibrated', 'measured']

/** Devices that hold the same, as one. */
export interface Group {
  devices: Device[]
  first: Device
  name: string
}

export function groups(devices: Device[]): Group[] {
  const found = new Map<string, Group>()
  for (const device of devices) {
    const key = JSON.stringify([device.name, device.total_bytes, device.terms.map((each) => [each.name, each.bytes])])
    const group = found.get(key)
    if (group) group.devices.push(device)
    else found.set(key, { devices: [device], first: device, name: device.name })
  }
  return [...found.values()]
}

/** The fullest device measured by what it could hold. */
export function fullest(devices: Device[]): Device | undefined {
  const load = (device: Device): number => device.total_bytes / (device.usable_bytes ?? Infinity) || device.total_bytes
  return devices.reduce<Device | undefined>(
    (best, device) => (best === undefined || load(device) > load(best) ? device : best),
    undefined,
  )
}

/** The ledger of a phase of a device; that of the peak where it has no such phase. */
export function ledger(device: Device, phase: string | null): Phase {
  const peak = { total_bytes: device.total_bytes, low: device.low, high: device.high, terms: device.terms }
  return (phase !== null && device.phases[phase]) || peak
}

/** A formula with its inputs put in where their names stand; the formula itself where none does. */
export function putIn(formula: string, inputs: Term['inputs'], write: (value: number) => string): string {
  const names = Object.keys(inputs)
    .filter((name) => typeof inputs[name] === 'number')
    .sort((a, b) => b.length - a.length)
  if (names.length === 0) return formula
  const escaped = names.map((name) => name.replace(/[.*+?^${}()|[\]\\]/g, '\\$&'))
  const pattern = new RegExp(`(?<![\\p{L}\\p{N}_])(?:${escaped.join('|')})(?![\\p{L}\\p{N}_])`, 'gu')
  return formula.replace(pattern, (name) => write(inputs[name] as number))
}
