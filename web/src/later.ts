/** Further questions about what stands on the page: asked when they are looked at and the hand rests. */

import { signal } from '@preact/signals'
import type { Signal } from '@preact/signals'
import { useEffect, useMemo, useRef } from 'preact/hooks'
import type { RefObject } from 'preact'
import { aborted, post, Problem } from './client'
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
      { rootMargin: '200px' },
    )
    watcher.observe(seen.current)
    return () => watcher.disconnect()
  }, [])
  const now = asked.value
  const visible = state.visible.value
  const answered = useRef('')
  useEffect(() => {
    if (now === '') return
    const wanted = `${now} ${key}`
    if (answered.current === wanted) return
    state.stale.value = true
    if (!visible) return
    const { mode, body } = JSON.parse(now) as { mode: string; body: Record<string, unknown> }
    const more = extra(mode)
    if (more === null) return
    const stop = new AbortController()
    const timer = setTimeout(() => {
      post<T>(route, { ...body, ...more }, stop.signal).then(
        (value) => {
          answered.current = wanted
          state.value.value = value
          state.problem.value = null
          state.stale.value = false
        },
        (error: unknown) => {
          if (aborted(error)) return
          answered.current = wanted
          state.value.value = null
          state.problem.value = error instanceof Problem ? error.message : String(error)
          state.stale.value = false
        },
      )
    }, answered.current === '' ? 0 : REST)
    return () => {
      clearTimeout(timer)
      stop.abort()
    }
  }, [now, key, visible])
  return { value: state.value, problem: state.problem, stale: state.stale, seen }
}
