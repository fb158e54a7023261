/** One search under way: asked when its part opens and again by hand, told how far it is, ended by hand. */

import { computed, signal } from '@preact/signals'
import type { ReadonlySignal, Signal } from '@preact/signals'
import { useEffect, useMemo } from 'preact/hooks'
import { aborted, cancel, patiently, Problem, stream } from '../client'
import type { Progress } from '../client'
import { bodyOf, question, retried } from '../store'
import { locale } from '../words'
import { searches } from './wishes'
import type { Part } from './wishes'

export interface Run<T> {
  value: Signal<T | null>
  problem: Signal<string | null>
  progress: Signal<Progress | null>
  running: Signal<boolean>
  /** whether it was ended before it was through */
  ended: Signal<boolean>
  /** whether what stands there answers another question than the one at hand */
  stale: ReadonlySignal<boolean>
  start: () => void
  stop: () => void
}

/** A body of the route: what it takes of the question at hand, and the wishes. */
export type Shape = (asked: Record<string, unknown>, wishes: Record<string, unknown>) => Record<string, unknown>

/** The search of a part; what has been found is kept while the page lives. */
export function useRun<T>(part: Part, shape: Shape): Run<T> {
  const run = useMemo(() => (kept.get(part) ?? made(part, shape)) as Run<T>, [])
  useEffect(() => {
    if (run.value.peek() === null || run.stale.peek()) run.start()
  }, [])
  return run
}

let last: Promise<unknown> = Promise.resolve()

/** One search at a time, so that a worker stays free for the maps and one for the ledger. */
function inTurn<T>(run: () => Promise<T>): Promise<T> {
  const mine = last.then(run, run)
  last = mine.catch(() => undefined)
  return mine
}

const kept = new Map<Part, Run<unknown>>()

function made<T>(part: Part, shape: Shape): Run<T> {
  const [value, problem, progress] = [signal<T | null>(null), signal<string | null>(null), signal<Progress | null>(null)]
  const [running, ended, asked] = [signal(false), signal(false), signal<unknown[]>([])]
  const now = computed(() => [question.value, searches.value.wishes[part], locale.value])
  let job: string | null = null
  let [leave, stopped, again] = [new AbortController(), false, false]
  const start = (): void => {
    if (running.peek()) {
      // What is under way is ended first, and the newest question asked then.
      again = true
      return end()
    }
    const mine = now.peek()
    const wished = question.peek()
    ;[running.value, ended.value, problem.value, progress.value] = [true, false, null, null]
    ;[leave, stopped] = [new AbortController(), false]
    const ask = async (sentAgain: boolean): Promise<T> => {
      if (stopped) throw new DOMException('', 'AbortError')
      const body = shape(await bodyOf({ ...wished, mode: 'serve' }, sentAgain), { ...searches.peek().wishes[part] })
      const told = { job: (id: string) => (job = id), progress: (each: Progress) => (progress.value = each) }
      return stream<T>(part, body, told, leave.signal)
    }
    inTurn(() => patiently(() => retried(wished, ask), () => !stopped)).then(
      (found) => ([value.value, asked.value] = [found, mine]),
      (error: unknown) => {
        asked.value = mine
        ended.value = stopped || aborted(error)
        if (!ended.value) [value.value, problem.value] = [null, error instanceof Problem ? error.message : String(error)]
      },
    ).finally(() => {
      const next = again
      ;[running.value, job, again] = [false, null, false]
      if (next) start()
    })
  }
  const stop = (): void => {
    again = false
    end()
  }
  const end = (): void => {
    stopped = true
    // The server is told which job; where it has not said its number yet, closing the answer ends it.
    if (job === null) leave.abort()
    else void cancel(job)
  }
  const stale = computed(() => value.value !== null && now.value.some((each, at) => each !== asked.value[at]))
  const run: Run<T> = { value, problem, progress, running, ended, stale, start, stop }
  kept.set(part, run as Run<unknown>)
  return run
}
