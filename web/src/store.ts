/** What the page knows: the question, its answer, and what it is compared with. */

import { computed, effect, signal } from '@preact/signals'
import { aborted, get, post, Problem } from './client'
import { body, DEFAULT, fromHash, MOST_COMPARED, toHash } from './question'
import { searches } from './search/wishes'
import type { Searches } from './search/wishes'
import type { Question } from './question'
import { locale } from './words'
import type { Card, CatalogueModel, OptionTables, Plan, TrainingPlan, Value, Weighing } from './types'

export const question = signal<Question>(DEFAULT)
export const others = signal<Question[]>([])
export const tables = signal<OptionTables | null>(null)
export const models = signal<CatalogueModel[]>([])
export const cards = signal<Card[]>([])
export const answer = signal<Weighing | null>(null)
export const problem = signal<Problem | null>(null)
export const busy = signal(false)
/** The request whose answer stands on the page, as text: what else is asked is asked of this. */
export const asked = signal<string>('')

export const plan = computed(() => (answer.value && 'kv' in answer.value ? (answer.value as Plan) : null))
export const training = computed(() =>
  answer.value && 'tokens_per_step' in answer.value ? (answer.value as TrainingPlan) : null,
)

export function ask(change: Partial<Question>): void {
  question.value = { ...question.value, ...change }
}

/** Set an option of the mode at hand; null takes the default again. */
export function set(name: string, value: Value | null): void {
  const mode = question.value.mode === 'serve' ? 'plan' : 'train'
  const options = { ...question.value[mode] }
  if (value === null || value === '') delete options[name]
  else options[name] = value
  ask({ [mode]: options })
}

export function option(name: string): Value | undefined {
  return (question.value.mode === 'serve' ? question.value.plan : question.value.train)[name]
}

export function compareThis(): void {
  if (others.value.length < MOST_COMPARED - 1) others.value = [...others.value, question.value]
}

/** Put a configuration beside the one at hand; the oldest makes room. */
export function compareWith(beside: Question): void {
  others.value = [...others.value, beside].slice(1 - MOST_COMPARED)
}

const handles = new Map<object, string>()

/** The handle of a dropped file's table; it is posted once, and again where the server forgot it. */
async function handleOf(asked: Question, again = false): Promise<string | undefined> {
  const table = asked.given?.table
  if (table === undefined) return undefined
  const known = handles.get(table)
  if (known !== undefined && !again) return known
  const made = await post<{ model: string }>('headers', table)
  handles.set(table, made.model)
  return made.model
}

/** The body of a question, its dropped file posted before. */
export async function bodyOf(asked: Question, again = false): Promise<Record<string, unknown>> {
  return body(asked, tables.value, await handleOf(asked, again))
}

/** The answer to a question; of one that does not fit, without the search for remedies if it is `swift`. */
export async function answerTo(asked: Question, swift = false): Promise<Weighing> {
  const route = asked.mode === 'serve' ? 'plan' : 'train'
  const less = swift && route === 'plan' ? { remedies: false } : {}
  return retried(asked, async (again) => post<Weighing>(route, { ...(await bodyOf(asked, again)), ...less }, undefined, !swift))
}

/** What would make it fit takes as long as many plans: it is asked when the hand rests. */
async function remedied(wanted: Question, made: Weighing): Promise<void> {
  const current = (): boolean => answer.peek() === made && question.peek() === wanted
  await new Promise((rested) => setTimeout(rested, REST))
  if (!current()) return
  const whole = await answerTo(wanted).catch(() => null)
  if (whole !== null && current()) answer.value = whole
}

const REST = 200

/** Ask, and a second time with the file's table sent again where the server has forgotten it. */
export async function retried<T>(asked: Question, run: (again: boolean) => Promise<T>): Promise<T> {
  try {
    return await run(false)
  } catch (error) {
    if (!(error instanceof Problem) || error.status !== 404 || asked.given === undefined) throw error
    return run(true)
  }
}

let running = false
let waiting: Question | null = null

let firstAnswered: () => void = () => undefined
/** Settles with the first answer: what is not needed for it is fetched after it. */
const first = new Promise<void>((resolve) => (firstAnswered = resolve))

/** Ask for the newest question; while one is under way, only the last of those that follow waits. */
async function follow(wanted: Question): Promise<void> {
  if (running) {
    waiting = wanted
    return
  }
  running = true
  busy.value = true
  try {
    const made = await answerTo(wanted, true)
    answer.value = made
    if (wanted.mode === 'serve' && made.verdict.fits === false && made.verdict.try.length === 0) void remedied(wanted, made)
    problem.value = null
    asked.value = JSON.stringify({ mode: wanted.mode, lang: locale.peek(), body: await bodyOf(wanted) })
  } catch (error) {
    if (!aborted(error)) problem.value = error instanceof Problem ? error : new Problem(-1, String(error))
  }
  running = false
  busy.value = false
  firstAnswered()
  if (waiting !== null) {
    const next = waiting
    waiting = null
    void follow(next)
  }
}

let written = ''

/** Write the question into the address, so that a copy of it restores the page. */
async function write(now: Question, beside: Question[], further: Searches): Promise<void> {
  const hash = await toHash(now, beside, further)
  if (now !== question.peek() || beside !== others.peek() || further !== searches.peek()) return
  written = `#${hash}`
  history.replaceState(null, '', written)
}

export async function start(): Promise<void> {
  const restored = await fromHash(location.hash).catch(() => null)
  if (restored !== null) [question.value, others.value, searches.value] = restored
  const told = get<OptionTables>('options').then((found) => (tables.value = found))
  effect(() => {
    // The sentences of an answer are in the language that it was asked in.
    void locale.value
    void follow(question.value)
  })
  effect(() => {
    const [now, beside, further] = [question.value, others.value, searches.value]
    const timer = setTimeout(() => void write(now, beside, further), 120)
    return () => clearTimeout(timer)
  })
  addEventListener('hashchange', () => {
    if (location.hash === written) return
    void fromHash(location.hash).then((found) => {
      if (found !== null) [question.value, others.value, searches.value] = found
    }, () => undefined)
  })
  await first
  await told
  if (problem.value !== null) void follow(question.value)
  void get<{ models: CatalogueModel[] }>('models').then((found) => (models.value = found.models), () => undefined)
  void get<{ cards: Card[] }>('cards').then((found) => (cards.value = found.cards), () => undefined)
}
