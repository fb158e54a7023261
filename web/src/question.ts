/** What is asked, as the page holds it: the options of the API by their own names. */

import type { Options, OptionTables, Value } from './types'
import { pack, unpack } from './file/pack'
import { ofSearch, readSearches, writeSearches } from './search/wishes'
import type { Searches } from './search/wishes'

export type Mode = 'serve' | 'train'

/** A file that was dropped or a config that was pasted: what of it goes to the server on this machine. */
export interface Given {
  name: string
  /** the body of `/headers`, or a config.json by itself */
  table?: Record<string, unknown>
  config?: Record<string, unknown>
}

export interface Question {
  mode: Mode
  model: string
  given?: Given
  on: string
  plan: Options
  train: Options
}

export const DEFAULT: Question = {
  mode: 'serve',
  model: 'llama-3.1-8b',
  on: 'rtx-4090',
  plan: { engine: 'vllm', max_model_len: 8192, output_tokens: 512, concurrency: 1 },
  train: { method: 'lora', checkpointing: 'full', seq_len: 2048, micro_batch: 1 },
}

/** The most configurations that stand side by side, the one at hand among them. */
export const MOST_COMPARED = 3
/** A link longer than this is cut by programs that pass it on. */
export const LONGEST_LINK = 60_000

export function engineOf(question: Question): string {
  return String(question.plan['engine'] ?? 'transformers').split('==')[0] ?? 'transformers'
}

/** The names of options that an engine takes, the workload's among them. */
export function taken(tables: OptionTables, engine: string): Set<string> {
  const rows = [...(tables.plan[engine] ?? []), ...tables.workload]
  return new Set(rows.map((row) => row.name))
}

/** The body of a request: what the engine, or the training, takes of the question. */
export function body(question: Question, tables: OptionTables | null, handle?: string): Options {
  const all: Record<string, unknown> = { model: handle ?? question.model }
  if (question.given?.config !== undefined && question.given.table === undefined) {
    all['config'] = question.given.config
    all['model'] = question.given.name
  }
  if (question.on !== '') all['on'] = question.on
  const options = question.mode === 'serve' ? question.plan : question.train
  // Before the tables are here, what was asked is sent as it stands.
  const known =
    tables === null
      ? new Set(Object.keys(options))
      : question.mode === 'serve'
        ? taken(tables, engineOf(question))
        : new Set(tables.training.flatMap((group) => group.options.map((option) => option.name)))
  for (const [name, value] of Object.entries(options)) {
    if (known.has(name) && value !== '') all[name] = value
  }
  const longest = Number(all['max_model_len'])
  const answer = Number(all['output_tokens'])
  // An answer as long as the context would leave no room for a prompt.
  if (answer >= longest) all['output_tokens'] = Math.max(1, Math.floor(longest / 2))
  return all as Options
}

/** The question as the part of an address behind `#`, in the API's own names. */
export async function toHash(question: Question, others: Question[], searches: Searches): Promise<string> {
  const parts = [await one(question, searches)]
  for (const other of others) parts.push(`vs=${encodeURIComponent(await one(other))}`)
  return parts.join('&')
}

async function one(question: Question, searches?: Searches): Promise<string> {
  const text = new URLSearchParams()
  if (question.mode !== 'serve') text.set('mode', question.mode)
  text.set('model', question.model)
  text.set('on', question.on)
  for (const [name, value] of Object.entries(question.plan)) text.set(name, String(value))
  for (const [name, value] of Object.entries(question.train)) text.set(`train.${name}`, String(value))
  if (searches !== undefined) writeSearches(searches, text)
  if (question.given !== undefined) text.set('given', await pack(question.given))
  return text.toString().replaceAll('%2C', ',').replaceAll('%3D', '=')
}

/** The question, those beside it and the searches of what stands behind `#`; null where nothing does. */
export async function fromHash(hash: string): Promise<[Question, Question[], Searches] | null> {
  const text = hash.replace(/^#/, '')
  if (text === '') return null
  const all = new URLSearchParams(text)
  const others = all.getAll('vs').slice(0, MOST_COMPARED - 1)
  const beside = await Promise.all(others.map((each) => parse(new URLSearchParams(each))))
  return [await parse(all), beside, readSearches(all)]
}

async function parse(text: URLSearchParams): Promise<Question> {
  const question: Question = {
    mode: text.get('mode') === 'train' ? 'train' : 'serve',
    model: text.get('model') ?? DEFAULT.model,
    on: text.get('on') ?? '',
    plan: {},
    train: {},
  }
  for (const [name, value] of text) {
    if (['mode', 'model', 'on', 'vs', 'given'].includes(name) || ofSearch(name)) continue
    if (name.startsWith('train.')) question.train[name.slice(6)] = valueOf(value)
    else question.plan[name] = valueOf(value)
  }
  const given = text.get('given')
  if (given !== null) question.given = (await unpack(given)) as Given
  return question
}

function valueOf(text: string): Value {
  if (text === 'true' || text === 'false') return text === 'true'
  return /^\d{1,12}$/.test(text) ? Number(text) : text
}

/** Cards of a machine and how many of each: `2xh100-sxm,rtx-4090`. */
export interface Rack {
  card: string
  count: number
}

export function parseRack(on: string): Rack[] {
  return on
    .split(',')
    .map((word) => word.trim())
    .filter((word) => word !== '')
    .map((word) => {
      const before = /^(\d+)\s*[x×]\s*(.+)$/i.exec(word)
      if (before) return { count: Number(before[1]), card: before[2] ?? '' }
      const behind = /^(.+):(\d+)$/.exec(word)
      if (behind) return { count: Number(behind[2]), card: behind[1] ?? '' }
      return { count: 1, card: word }
    })
}

export function rackText(rack: Rack[]): string {
  return rack
    .filter((row) => row.card.trim() !== '')
    .map((row) => (row.count > 1 ? `${row.count}x${row.card}` : row.card))
    .join(',')
}
