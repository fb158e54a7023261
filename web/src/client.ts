/** The API on this machine: one function to ask, one kind of error. */

import { locale } from './words'

const BASE = './api/v1'

/** What the server refused, in its own sentence. */
export class Problem extends Error {
  constructor(
    readonly status: number,
    detail: string,
    readonly type: string = '',
  ) {
    super(detail)
  }
}

export async function post<T>(route: string, body: unknown, signal?: AbortSignal): Promise<T> {
  return ask<T>(route, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json', 'Accept-Language': locale.peek() },
    body: JSON.stringify(body),
    ...(signal ? { signal } : {}),
  })
}

export async function get<T>(route: string): Promise<T> {
  return ask<T>(route, { method: 'GET' })
}

async function ask<T>(route: string, options: RequestInit): Promise<T> {
  let answer: Response
  try {
    answer = await fetch(`${BASE}/${route}`, options)
  } catch (error) {
    if (error instanceof DOMException && error.name === 'AbortError') throw error
    throw new Problem(0, '')
  }
  const read = (await answer.json().catch(() => null)) as unknown
  if (answer.ok && read !== null) return read as T
  const problem = (read ?? {}) as { detail?: unknown; title?: unknown; type?: unknown }
  const detail = String(problem.detail ?? problem.title ?? answer.statusText)
  throw new Problem(answer.status, detail, String(problem.type ?? ''))
}

export function aborted(error: unknown): boolean {
  return error instanceof DOMException && error.name === 'AbortError'
}
