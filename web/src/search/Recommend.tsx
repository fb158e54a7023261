/** Which card: the machines, engines and formats that keep to what is asked, the best of them first. */

import { useSignal } from '@preact/signals'
import { useEffect } from 'preact/hooks'
import { post, Problem } from '../client'
import { engineOf, MOST_COMPARED } from '../question'
import type { Question } from '../question'
import { bodyOf, compareWith, others, question } from '../store'
import type { Options, Value } from '../types'
import { Copy } from '../ui/Copy'
import { time, tokens } from '../units'
import { named, number, side, t } from '../words'
import { dollars, Form } from './Form'
import type { Field } from './Form'
import { useRun } from './run'
import type { Shape } from './run'

interface Range {
  low: number
  high: number
}

interface Choice {
  on: string
  engine: string
  weights: string
  kv_cache_dtype: string
  sure: boolean
  seconds_per_token: number
  time_to_first_token: number
  watts: number | null
  owned: boolean
  cost: Range | null
  cost_per_million_tokens: Range | null
  price: { kind: string; oldest: string; newest: string } | null
  request: Record<string, Value | null>
  reasons: string[]
}

interface Found {
  request: Record<string, Value | null>
  recommended: Choice[]
  lost: { what: string; candidate: string; because: string }[]
  searched: { considered: number; planned: number; left_out: Record<string, number> }
  assumed: string[]
}

const FIELDS: Field[] = [
  { name: 'ttft', unit: 's' },
  { name: 'tpot', unit: 's' },
  { name: 'price_per_hour', unit: '$' },
  { name: 'purchase_price', unit: '$' },
  { name: 'power', unit: 'W' },
  { name: 'owned', hint: '2xrtx-4090,rtx-3090' },
  { name: 'by', items: () => choices('by', ['cost', 'speed', 'quality', 'tokens']) },
  { name: 'pay', items: () => choices('pay', ['rent', 'purchase']) },
  { name: 'engine', items: () => [{ value: '', label: t('search.any') }, ...['vllm', 'sglang', 'tensorrt-llm', 'llama.cpp'].map((value) => ({ value, label: value }))] },
  { name: 'least_bits', unit: '' },
]

function choices(name: string, values: string[]): { value: string; label: string }[] {
  return values.map((value) => ({ value, label: named(`wish.${name}`, value) }))
}

/** Of the question a search takes the work; hardware, engine and format are what it looks for. */
const TAKEN = ['model', 'config', 'max_model_len', 'input_tokens', 'output_tokens', 'concurrency']

const shape: Shape = (asked, wishes) => ({
  ...Object.fromEntries(Object.entries(asked).filter(([name]) => TAKEN.includes(name))),
  ...wishes,
})

export function Body() {
  const run = useRun<Found>('recommend', shape)
  const found = run.value.value
  return (
    <>
      <p class="quiet">{t('recommend.work', { context: tokens(Number(question.value.plan['max_model_len'] ?? 8192)), users: Number(question.value.plan['concurrency'] ?? 1) })}</p>
      <Form part="recommend" fields={FIELDS} run={run} start={t('recommend.start')} />
      {found !== null && (
        <div class={run.stale.value ? 'found stale' : 'found'}>
          {found.recommended.length === 0 && <p class="none">{t('recommend.none')}</p>}
          <ol class="choices">{found.recommended.map((each, at) => <One key={key(each)} choice={each} place={at} />)}</ol>
          <Against found={found} />
        </div>
      )}
    </>
  )
}

function key(choice: Choice): string {
  return [choice.on, choice.engine, choice.weights, choice.kv_cache_dtype].join(' ')
}

function One({ choice, place }: { choice: Choice; place: number }) {
  const cache = choice.kv_cache_dtype === 'auto' ? '' : ` · ${t('formats.kv')} ${choice.kv_cache_dtype}`
  const wanted = questionOf(choice)
  const full = others.value.length >= MOST_COMPARED - 1
  return (
    <li class="choice">
      <h3>
        <bdi dir="ltr">{choice.on}</bdi>
        <span class="quiet"><bdi dir="ltr">{choice.engine}</bdi> · <bdi dir="ltr">{choice.weights}</bdi><bdi>{cache}</bdi></span>
        {!choice.sure && <span class="pill tight">{t('verdict.tight')}</span>}
        {choice.owned && <span class="pill fits">{t('recommend.owned')}</span>}
      </h3>
      <dl class="facts-row">
        {choice.cost !== null && <Fact name={t(choice.price?.kind === 'purchase' ? 'recommend.buy' : 'recommend.rent')} value={dollars(choice.cost)} />}
        {choice.cost_per_million_tokens !== null && <Fact name={t('recommend.million')} value={dollars(choice.cost_per_million_tokens)} />}
        <Fact name={t('figure.token')} value={time(choice.seconds_per_token)} />
        <Fact name={t('figure.first')} value={time(choice.time_to_first_token)} />
        {choice.watts !== null && <Fact name={t('recommend.power')} value={`${number(choice.watts)} W`} />}
      </dl>
      <ul class="reasons">{choice.reasons.map((each) => <li key={each}><bdi dir={side(each)}>{each}</bdi></li>)}</ul>
      <div class="go">
        <button type="button" class="small" name={`choose_${place}`} onClick={() => compareWith(wanted)}>{t(full ? 'recommend.instead' : 'recommend.use')}</button>
        <button type="button" class="small" name={`take_choice_${place}`} onClick={() => (question.value = wanted)}>{t('recommend.take')}</button>
        <Command wanted={wanted} place={place} />
      </div>
    </li>
  )
}

function Fact({ name, value }: { name: string; value: string }) {
  return <div><dt>{name}</dt><dd><bdi>{value}</bdi></dd></div>
}

/** The configuration of a choice, as the page would ask it. */
function questionOf({ on, request }: Choice): Question {
  const plan: Options = {}
  for (const [name, value] of Object.entries(request)) {
    if (value !== null && value !== false && value !== 'auto' && !['model', 'on'].includes(name)) plan[name] = value
  }
  return { ...question.value, mode: 'serve', on, plan }
}

const TARGET: Record<string, string> = { 'tensorrt-llm': 'trtllm' }

/** The command that launches a choice, asked for when it is wanted. */
function Command({ wanted, place }: { wanted: Question; place: number }) {
  const [open, text] = [useSignal(false), useSignal<string | null>(null)]
  const engine = engineOf(wanted)
  useEffect(() => {
    if (!open.value || text.value !== null) return
    const ask = async (): Promise<string> => (await post<{ text: string }>('launch/write', { ...(await bodyOf(wanted)), target: TARGET[engine] ?? engine })).text
    ask().then((made) => (text.value = made), (error: unknown) => (text.value = error instanceof Problem ? error.message : String(error)))
  }, [open.value])
  return (
    <>
      <button type="button" class="small" name={`launch_${place}`} aria-expanded={open.value} onClick={() => (open.value = !open.value)}>{t('launch.title')}</button>
      {open.value && (
        <div class="code">
          <pre dir="ltr" lang="en" tabIndex={0} role="region" aria-label={t('launch.title')}>{text.value ?? t('waiting')}</pre>
          <Copy name={`copy_${place}`} text={() => text.value ?? ''} />
        </div>
      )}
    </>
  )
}

/** What else was looked at, and what was taken for granted. */
function Against({ found }: { found: Found }) {
  const { considered, planned, left_out: left } = found.searched
  return (
    <details>
      <summary>{t('recommend.why', { considered, planned })}</summary>
      <ul class="plain">
        {found.lost.map((each) => (
          <li key={each.what + each.candidate}><bdi dir={side(each.what)}>{each.what}</bdi>: <bdi dir={side(each.candidate)}>{each.candidate}</bdi>. <bdi dir={side(each.because)}>{each.because}</bdi></li>
        ))}
        {Object.entries(left).map(([why, count]) => <li key={why}><bdi>{number(count)}</bdi>: <bdi dir={side(why)}>{why}</bdi></li>)}
        {found.assumed.map((each) => <li key={each}><bdi dir={side(each)}>{each}</bdi></li>)}
      </ul>
    </details>
  )
}
