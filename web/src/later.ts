/** Further questions about what stands on the page: asked when they are looked at and the hand rests. */

import { signal } from '@preact/signals'
import type { Signal } from '@preact/signals'
import { useEffect, useMemo, useRef } from 'preact/hooks'
import type { RefObject } from 'preact'
import { aborted, patiently, post, Problem } from './client'
import { asked } from './store'

export interface Later<T> {
  value: Signal<T | null>
  problem: Signal<string | null>
  /** true while what is shown belongs to an older question */
  stale: Signal<boolean>
  /** put this on the element that must be in sight before anything is asked */
  seen: RefObject<HTMLElement | null>
}

const REST = 220

let last: Promise<unknown> = Promise.resolve()

/**
 * One such question at a time, and what has begun is let end: a worker of the server's is always free
 * for the ledger itself, and none is lost with a connection that was closed under it.
 */
function inTurn<T>(run: () => Promise<T>): Promise<T> {
  const mine = last.then(run, run)
  last = mine.catch(() => undefined)
  return mine
}

/**
 * The answer of `route` to the question at hand with `extra` in its body; null asks nothing.
 * Nothing is asked before the element was in sight.
 */
export function useLater<T>(route: string, extra: (mode: string) => Record<string, unknown> | null, key = ''): Later<T> {
  const state = useMemo(
    () => ({ value: signal<T | null>(null), problem: signal<string | null>(null), stale: signal(false), visible: signal(false) }),
    [],
  )
  const seen = useRef<HTMLElement | null>(null)
  useEffect(() => {
    if (seen.current === null) return
    const watcher = new IntersectionObserver(
      (entries) => (state.visible.value = entries.some((entry) => entry.isIntersecting)),
      { rootMargin: '40px' },
    )
    watcher.observe(seen.current)
    return () => watcher.disconnect()
  }, [])
  const now = asked.value
  const visible = state.visible.value
  const wanted = useMemo(() => wantedOf(now, extra), [now, key])
  const kept = useRef(new Map<string, Answered<T>>())
  const answered = useRef('')
  const flight = useRef<{ wanted: string; stop: () => void } | null>(null)
  useEffect(() => {
    if (flight.current?.wanted !== wanted) flight.current?.stop()
    if (wanted === null || answered.current === wanted) {
      state.stale.value = false
      return
    }
    const settle = (found: Answered<T>): void => {
      answered.current = wanted
      flight.current = null
      state.value.value = found.value
      state.problem.value = found.problem
      state.stale.value = false
    }
    const before = kept.current.get(wanted)
    if (before !== undefined) return settle(before)
    state.stale.value = true
    // What is under way goes on when it leaves the sight.
    if (!visible || flight.current?.wanted === wanted) return
    const { body } = JSON.parse(wanted) as { body: Record<string, unknown> }
    const stop = new AbortController()
    const timer = setTimeout(() => {
      inTurn(async () => {
        stop.signal.throwIfAborted()
        const value = await patiently(() => post<T>(route, body, undefined, true), () => !stop.signal.aborted)
        remember(kept.current, wanted, { value, problem: null })
        stop.signal.throwIfAborted()
        return value
      }).then(
        (value) => settle({ value, problem: null }),
        (error: unknown) => aborted(error) || settle({ value: null, problem: error instanceof Problem ? error.message : String(error) }),
      )
    }, answered.current === '' ? 0 : REST)
    flight.current = {
      wanted,
      stop: () => {
        clearTimeout(timer)
        stop.abort()
        flight.current = null
      },
    }
  }, [wanted, visible])
  useEffect(() => () => flight.current?.stop(), [])
  return { value: state.value, problem: state.problem, stale: state.stale, seen }
}

interface Answered<T> {
  value: T | null
  problem: string | null
}

const MOST_KEPT = 12

function remember<T>(kept: Map<string, Answered<T>>, wanted: string, found: Answered<T>): void {
  kept.set(wanted, found)
  const [oldest] = kept.keys()
  if (kept.size > MOST_KEPT && oldest !== undefined) kept.delete(oldest)
}

/** The request itself and its language: where a slider does not change it, nothing is asked again. */
function wantedOf(now: string, extra: (mode: string) => Record<string, unknown> | null): string | null {
  if (now === '') return null
  const { mode, lang, body } = JSON.parse(now) as { mode: string; lang: string; body: Record<string, unknown> }
  const more = extra(mode)
  return more === null ? null : JSON.stringify({ lang, body: { ...body, ...more } })
}
