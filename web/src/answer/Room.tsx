/** How far the machine goes: memory over the context, and which contexts and users fit together. */

import { useMemo } from 'preact/hooks'
import { Chart } from '../chart/Chart'
import type { Drawing } from '../chart/Chart'
import { useLater } from '../later'
import { engineOf } from '../question'
import { answer, option, question, set } from '../store'
import type { Room } from '../types'
import { Section } from '../ui/Section'
import { GIB, gib, size, tokens } from '../units'
import { t } from '../words'
import { usableLabel } from './Bar'
import { FitMap } from './FitMap'

const K = 1024
const CONTEXTS = [1, 2, 4, 8, 16, 32, 64, 128, 256].map((n) => n * K)
const USERS = [1, 2, 4, 8, 16, 32, 64, 128]
/** These engines are simulated graph by graph, so that a point costs more. */
const COARSE = ['llama.cpp', 'ollama']
const FEW_CONTEXTS = [2, 8, 32, 128].map((n) => n * K)
const FEW_USERS = [1, 4, 16, 64]

/** The contexts that the model reads, and one at least beyond what is asked. */
function contextsOf(coarse: boolean): number[] {
  const most = answer.value?.model.max_positions ?? Infinity
  const all = coarse ? FEW_CONTEXTS : CONTEXTS
  const asked = Number(option('max_model_len') ?? 0)
  return all.filter((length, at) => at < 2 || length <= Math.max(most, asked))
}

const NOTHING = { max_model_len: undefined, output_tokens: undefined, input_tokens: undefined }

export function ContextPlot() {
  const users = Number(option('concurrency') ?? 1)
  const coarse = COARSE.includes(engineOf(question.value))
  const series = coarse ? [users] : [users, users * 4, users * 16]
  const contexts = contextsOf(coarse)
  const later = useLater<Room>('room', (mode) => (mode === 'serve' ? { ...NOTHING, context: contexts, concurrency: series } : null), `${users} ${contexts.length}`)
  const found = later.value.value
  const context = Number(option('max_model_len') ?? 0)
  const drawn = useMemo(() => (found === null ? null : drawing(found, context)), [found, context])
  return (
    <Section name="sweep" title={t('sweep.title')} lead={t('sweep.lead')} later={later}>
      {found !== null && drawn !== null && (
        <Chart name="context" summary={summarize(found)} table={tableOf(found)} drawing={drawn} />
      )}
    </Section>
  )
}

function drawing(found: Room, context: number): Drawing {
  const limit = found.usable_bytes
  const top = found.need_bytes.flat()
  const most = limit === null ? Math.max(...top) : Math.min(Math.max(...top), limit * 2.5)
  return {
    x: { name: t('work.context'), scale: 'log', min: found.contexts[0] ?? 1, max: found.contexts.at(-1) ?? 1, write: tokens, base: 2 },
    y: { name: 'GiB', scale: 'value', min: 0, max: roundUp(most / GIB), write: (value) => gib(value * GIB, 0) },
    lines: found.concurrencies.map((users, at) => ({
      name: t('sweep.users', { count: users }),
      role: at === 0 ? 'main' as const : 'side' as const,
      points: found.contexts.map((length, row): [number, number] => [length, (found.need_bytes[row]?.[at] ?? 0) / GIB]),
    })),
    dots: [],
    ...(limit === null ? {} : { limit: { at: limit / GIB, name: usableLabel(limit) } }),
    ...(context > 0 ? { here: context } : {}),
  }
}

/** The next number of the kind that axes carry: 1, 2, 2.5, 4, 5 or 8 times a power of ten. */
function roundUp(value: number): number {
  const power = 10 ** Math.floor(Math.log10(value))
  return power * ([1, 1.5, 2, 2.5, 3, 4, 5, 6, 8].find((step) => step * power >= value) ?? 10)
}

function summarize(found: Room): string {
  const last = found.contexts.filter((_, row) => found.holds?.[row]?.[0] === true).at(-1)
  if (found.holds === null) return t('sweep.title')
  return last === undefined ? t('sweep.none') : t('sweep.summary', { context: tokens(last), users: found.concurrencies[0] ?? 1 })
}

function tableOf(found: Room): { head: string[]; rows: (string | number)[][] } {
  return {
    head: [t('work.context'), ...found.concurrencies.map((users) => `${t('sweep.users', { count: users })} (GiB)`)],
    rows: found.contexts.map((length, row) => [tokens(length), ...found.concurrencies.map((_, at) => gib(found.need_bytes[row]?.[at] ?? 0))]),
  }
}

export function Map() {
  const coarse = COARSE.includes(engineOf(question.value))
  const contexts = contextsOf(coarse)
  const users = coarse ? FEW_USERS : USERS
  const later = useLater<Room>('room', (mode) => (mode === 'serve' ? { ...NOTHING, context: contexts, concurrency: users } : null), `map ${contexts.length}`)
  const found = later.value.value
  return (
    <Section name="map" title={t('map.title')} lead={t('map.lead')} later={later}>
      {found !== null && (
        <FitMap
          found={found}
          context={Number(option('max_model_len') ?? 0)}
          users={Number(option('concurrency') ?? 1)}
          onPick={(length, count) => {
            set('max_model_len', length)
            set('concurrency', count)
          }}
        />
      )}
      {found?.usable_bytes != null && <p class="quiet">{t('map.limit', { size: size(found.usable_bytes) })}</p>}
    </Section>
  )
}
