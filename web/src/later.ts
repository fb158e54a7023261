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
  const wanted = `${now} ${key}`
  const answered = useRef('')
  const flight = useRef<{ wanted: string; stop: () => void } | null>(null)
  useEffect(() => {
    if (flight.current?.wanted !== wanted) flight.current?.stop()
    if (now === '' || answered.current === wanted) return
    state.stale.value = true
    // What is under way goes on when it leaves the sight.
    if (!visible || flight.current?.wanted === wanted) return
    const { mode, body } = JSON.parse(now) as { mode: string; body: Record<string, unknown> }
    const more = extra(mode)
    if (more === null) return
    const settle = (value: T | null, problem: string | null): void => {
      answered.current = wanted
      flight.current = null
      state.value.value = value
      state.problem.value = problem
      state.stale.value = false
    }
    const stop = new AbortController()
    const timer = setTimeout(() => {
      inTurn(async () => {
        stop.signal.throwIfAborted()
        const value = await patiently(() => post<T>(route, { ...body, ...more }), () => !stop.signal.aborted)
        stop.signal.throwIfAborted()
        return value
      }).then(
        (value) => settle(value, null),
        (error: unknown) => aborted(error) || settle(null, error instanceof Problem ? error.message : String(error)),
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
