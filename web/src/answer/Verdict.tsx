/** Whether it fits, in one sentence, and the four figures that are asked for next. */

import type { ComponentChildren } from 'preact'
import { plan, question, training } from '../store'
import { fullest } from '../terms'
import type { Plan, TrainingPlan, Weighing } from '../types'
import { exact, parameters, rate, size, time } from '../units'
import { named, number, percent, side, t } from '../words'

export type Judgement = 'fits' | 'tight' | 'over' | 'unknown'

export function judge(made: Weighing): Judgement {
  const { fits, sure } = made.verdict
  if (fits === null) return 'unknown'
  if (fits) return sure ? 'fits' : 'tight'
  return 'over'
}

const MARKS: Record<Judgement, string> = { fits: '✓', tight: '≈', over: '✕', unknown: '?' }

export function Verdict({ made }: { made: Weighing }) {
  const judgement = judge(made)
  // An engine may refuse, or its cache be too small for all, where every device holds its part.
  const elsewhere = made.verdict.fits === false && fullest(made.devices)?.fits === true
  return (
    <div class={`verdict ${judgement}`}>
      <p class="headline">
        <span class="mark" aria-hidden="true">{MARKS[judgement]}</span>
        <strong>{t(`verdict.${judgement}`)}</strong>
        <span class="sentence">{elsewhere ? <bdi dir={side(made.verdict.because)}>{made.verdict.because}</bdi> : sentence(made)}</span>
      </p>
      <dl class="figures">{plan.value !== null ? <Serving made={plan.value} /> : training.value !== null && <Step made={training.value} />}</dl>
    </div>
  )
}

/** What is held, of what, where, and what is left or missing. */
export function sentence(made: Weighing): string {
  const device = fullest(made.devices)
  if (device === undefined) return ''
  const used = size(device.total_bytes)
  if (device.usable_bytes === null) return t('sentence.nowhere', { used })
  const free = device.usable_bytes - device.total_bytes
  const values = { used, usable: size(device.usable_bytes), card: device.name, rest: size(Math.abs(free)), phase: named('phase', device.phase) }
  return t(free >= 0 ? 'sentence.fits' : 'sentence.over', values)
}

function Serving({ made }: { made: Plan }) {
  const decode = made.speed?.decode
  const prefill = made.speed?.prefill
  const room = made.kv.capacity_tokens
  const floor = decode?.kind === 'floor'
  return (
    <>
      <Figure name={t('figure.cache')} note={t('figure.cache.note', { size: size(made.kv.bytes_per_sequence) })} title={exact(made.kv.bytes_per_token)}>
        {t('figure.per_token', { size: size(made.kv.bytes_per_token) })}
      </Figure>
      <Figure name={t('figure.room')} note={made.kv.max_concurrency === null ? '' : t('figure.room.note', { count: number(made.kv.max_concurrency, { maximumFractionDigits: 1 }) })}>
        {room === null ? '–' : t('figure.tokens', { count: room })}
      </Figure>
      <Figure
        name={t('figure.token')}
        note={decode == null ? '' : floor ? t('figure.floor') : range(decode.low, decode.high, time)}
      >
        {decode == null ? '–' : `${floor ? '≥ ' : ''}${time(decode.seconds_per_token ?? decode.seconds)}`}
      </Figure>
      <Figure
        name={t('figure.first')}
        note={prefill == null ? '' : range(prefill.time_to_first_token?.low, prefill.time_to_first_token?.high, time) || t('figure.floor')}
      >
        {prefill == null ? '–' : `${prefill.kind === 'floor' ? '≥ ' : ''}${time(prefill.time_to_first_token?.seconds ?? prefill.seconds)}`}
      </Figure>
    </>
  )
}

function Step({ made }: { made: TrainingPlan }) {
  const speed = made.speed
  return (
    <>
      <Figure name={t('figure.trained')} note={t('figure.of', { count: parameters(made.model.parameters) })}>{parameters(made.trained_parameters)}</Figure>
      <Figure name={t('figure.step')} note={speed === null ? '' : range(speed.low, speed.high, time)}>{speed === null ? '–' : time(speed.seconds_per_step)}</Figure>
      <Figure name={t('figure.rate')} note={t('figure.rate.note', { count: made.tokens_per_step })}>{speed === null ? '–' : t('figure.per_second', { count: rate(speed.tokens_per_second) })}</Figure>
      <Figure name={t('figure.mfu')} note={named('method', String(question.value.train['method'] ?? 'full'))}>{speed === null ? '–' : percent(speed.mfu, 0)}</Figure>
    </>
  )
}

function range(low: number | undefined, high: number | undefined, write: (value: number) => string): string {
  return low === undefined || high === undefined ? '' : t('figure.range', { low: write(low), high: write(high) })
}

function Figure({ name, note, title, children }: { name: string; note: string; title?: string; children: ComponentChildren }) {
  return (
    <div class="tile">
      <dt>{name}</dt>
      <dd title={title}><bdi>{children}</bdi></dd>
      {note !== '' && <dd class="note">{note}</dd>}
    </div>
  )
}
