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

/** What may wait while something urgent is asked (RFC 9218). */
const PATIENT = { Priority: 'u=6' }

export async function post<T>(route: string, body: unknown, signal?: AbortSignal, patient = false): Promise<T> {
  return ask<T>(route, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json', 'Accept-Language': locale.peek(), ...(patient ? PATIENT : {}) },
    body: JSON.stringify(body),
    ...(signal ? { signal } : {}),
  })
}

export async function get<T>(route: string): Promise<T> {
  return ask<T>(route, { method: 'GET' })
}

async function ask<T>(route: string, options: RequestInit): Promise<T> {
  const answer = await sent(route, options)
  const read = (await answer.json().catch(() => null)) as unknown
  if (answer.ok && read !== null) return read as T
  throw refusal(read, answer.status, answer.statusText)
}

async function sent(route: string, options: RequestInit): Promise<Response> {
  try {
    return await fetch(`${BASE}/${route}`, options)
  } catch (error) {
    if (aborted(error)) throw error
    throw new Problem(0, '')
  }
}

function refusal(read: unknown, status: number, text = ''): Problem {
  const problem = (read ?? {}) as { detail?: unknown; title?: unknown; type?: unknown; status?: unknown }
  return new Problem(Number(problem.status ?? status), String(problem.detail ?? problem.title ?? text), String(problem.type ?? ''))
}

export interface Progress {
  text?: string
  done: number
  of: number
}

interface Listener {
  job: (id: string) => void
  progress: (news: Progress) => void
}

type Line =
  | { event: 'job'; id: string }
  | ({ event: 'progress' } & Progress)
  | { event: 'result'; result: unknown }
  | { event: 'problem'; problem: unknown }

/** Work that takes a while: its job's number, how far it is, and its answer, each as a line. */
export async function stream<T>(route: string, body: unknown, told: Listener, signal: AbortSignal): Promise<T> {
  const answer = await sent(route, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json', Accept: 'application/x-ndjson', 'Accept-Language': locale.peek() },
    body: JSON.stringify(body),
    signal,
  })
  if (!answer.ok || answer.body === null) throw refusal(await answer.json().catch(() => null), answer.status, answer.statusText)
  for await (const line of lines(answer.body)) {
    if (line.event === 'job') told.job(line.id)
    else if (line.event === 'progress') told.progress(line)
    else if (line.event === 'result') return line.result as T
    else throw refusal(line.problem, 500)
  }
  throw new Problem(0, '')
}

async function* lines(body: ReadableStream<Uint8Array>): AsyncGenerator<Line> {
  const reader = body.pipeThrough(new TextDecoderStream() as unknown as TransformStream<Uint8Array, string>).getReader()
  let rest = ''
  for (;;) {
    const { done, value } = await reader.read()
    rest += value ?? ''
    const whole = rest.split('\n')
    rest = whole.pop() ?? ''
    for (const line of whole) if (line !== '') yield JSON.parse(line) as Line
    if (done) return
  }
}

const MOST_TRIES = 60
const AGAIN = 1000

/** Ask again where every worker was taken: whoever has one gives it back. */
export async function patiently<T>(ask: () => Promise<T>, wanted: () => boolean): Promise<T> {
  for (let tries = 1; ; tries += 1) {
    try {
      return await ask()
    } catch (error) {
      if (!(error instanceof Problem) || error.status !== 503 || tries === MOST_TRIES || !wanted()) throw error
      await new Promise((later) => setTimeout(later, AGAIN))
    }
  }
}

/** End a job that streams; its stream then says so. */
export async function cancel(job: string): Promise<void> {
  await sent(`jobs/${encodeURIComponent(job)}`, { method: 'DELETE' })
}

export function aborted(error: unknown): boolean {
  return error instanceof DOMException && error.name === 'AbortError'
}
