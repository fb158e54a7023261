/** Up to three configurations beside each other; each can be taken back to the page. */

import { useEffect } from 'preact/hooks'
import { signal } from '@preact/signals'
import { engineOf, MOST_COMPARED } from '../question'
import type { Question } from '../question'
import { answer, answerTo, compareThis, others, question, tables } from '../store'
import { colourClass, fullest, inOrder } from '../terms'
import type { Plan, TrainingPlan, Weighing } from '../types'
import { Section } from '../ui/Section'
import { gib, size, time, tokens } from '../units'
import { named, number, side, t } from '../words'
import { judge } from './Verdict'

const answers = signal<Map<Question, Weighing | string>>(new Map())

export function Compare() {
  const beside = others.value
  const ready = tables.value !== null
  useEffect(() => {
    if (!ready) return
    for (const each of beside) {
      if (answers.value.has(each)) continue
      const keep = (made: Weighing | string): void => {
        answers.value = new Map(answers.value).set(each, made)
      }
      answerTo(each).then(keep, (error: unknown) => keep(String((error as Error).message)))
    }
  }, [beside, ready])
  const now = answer.value
  const all: [Question, Weighing | string | null][] = [[question.value, now], ...beside.map((each): [Question, Weighing | string | null] => [each, answers.value.get(each) ?? null])]
  const full = all.length >= MOST_COMPARED
  return (
    <Section
      name="compare"
      title={t('compare.title')}
      lead={beside.length === 0 ? t('compare.lead') : ''}
      tools={<button type="button" name="compare" disabled={full} onClick={compareThis}>{t('compare.add')}</button>}
    >
      {beside.length > 0 && (
        <div class="scroll">
          <table class="compare">
            <thead>
              <tr>
                <td />
                {all.map(([each], at) => (
                  <th key={at} scope="col">
                    <bdi dir="ltr">{each.model}</bdi>
                    <span class="quiet"><bdi dir="ltr">{`${each.on || '–'} · ${each.mode === 'serve' ? engineOf(each) : String(each.train['method'] ?? 'full')}`}</bdi></span>
                    {at > 0 && (
                      <span class="column-tools">
                        <button type="button" class="link" name={`take_${at}`} onClick={() => take(each)}>{t('compare.take')}</button>
                        <button type="button" class="link" name={`drop_${at}`} onClick={() => (others.value = others.value.filter((other) => other !== each))}>{t('compare.remove')}</button>
                      </span>
                    )}
                    {at === 0 && <span class="quiet">{t('compare.now')}</span>}
                  </th>
                ))}
              </tr>
            </thead>
            <tbody>
              <Line name={t('compare.verdict')} all={all} show={(made) => <span class={`pill ${judge(made)}`}>{t(`verdict.${judge(made)}`)}</span>} />
              <Line name={t('compare.bar')} all={all} show={(made) => <Mini made={made} most={Math.max(...all.map(([, other]) => most(other)))} />} />
              <Line name={t('compare.total')} all={all} show={(made) => size(fullest(made.devices)?.total_bytes ?? 0)} />
              <Line name={t('terms.range')} all={all} show={(made) => bounds(made)} />
              <Line name={t('terms.free')} all={all} show={(made) => free(made)} />
              <Line name={t('formats.weights')} all={all} show={(made) => String(made.request['weights'] ?? '–')} />
              <Line name={t('work.context')} all={all} show={(made) => tokens(Number(made.request['max_model_len'] ?? made.request['seq_len'] ?? 0))} />
              <Line name={t('work.users')} all={all} show={(made) => number(Number(made.request['concurrency'] ?? made.request['micro_batch'] ?? 0))} />
              <Line name={t('figure.room')} all={all} show={(made) => ('kv' in made && (made as Plan).kv.capacity_tokens !== null ? number((made as Plan).kv.capacity_tokens ?? 0) : '–')} />
              <Line name={t('figure.token')} all={all} show={(made) => pace(made)} />
            </tbody>
          </table>
        </div>
      )}
    </Section>
  )
}

function take(wanted: Question): void {
  others.value = others.value.map((each) => (each === wanted ? question.value : each))
  question.value = wanted
}

interface LineProps {
  name: string
  all: [Question, Weighing | string | null][]
  show: (made: Weighing) => preact.ComponentChildren
}

function Line({ name, all, show }: LineProps) {
  return (
    <tr>
      <th scope="row">{name}</th>
      {all.map(([, made], at) => (
        <td key={at}>{made === null ? '…' : typeof made === 'string' ? <bdi dir={side(made)}>{made}</bdi> : <bdi>{show(made)}</bdi>}</td>
      ))}
    </tr>
  )
}

function most(made: Weighing | string | null): number {
  if (made === null || typeof made === 'string') return 0
  const device = fullest(made.devices)
  return Math.max(device?.total_bytes ?? 0, device?.usable_bytes ?? 0)
}

/** The fullest device in little: the same colours on the same scale. */
function Mini({ made, most: scale }: { made: Weighing; most: number }) {
  const device = fullest(made.devices)
  if (device === undefined || scale === 0) return null
  let from = 0
  return (
    <svg class="mini" viewBox="0 0 200 14" preserveAspectRatio="none" aria-hidden="true">
      <rect class="track" x={0} y={1} width={((device.usable_bytes ?? 0) / scale) * 200} height={12} />
      {inOrder(device.terms).map((term, at) => {
        const start = (from / scale) * 200
        from += term.bytes
        return <g key={at} class={colourClass(term.name)}><rect x={start} y={1} width={(term.bytes / scale) * 200} height={12} /></g>
      })}
      {device.usable_bytes !== null && <rect class="limit-mark" x={(device.usable_bytes / scale) * 200 - 1} y={0} width={1.5} height={14} />}
    </svg>
  )
}

function bounds(made: Weighing): string {
  const device = fullest(made.devices)
  return device === undefined ? '–' : `${gib(device.low)}–${gib(device.high)} GiB`
}

function free(made: Weighing): string {
  const device = fullest(made.devices)
  return device?.usable_bytes == null ? '–' : size(device.usable_bytes - device.total_bytes)
}

function pace(made: Weighing): string {
  if ('kv' in made) {
    const decode = (made as Plan).speed?.decode
    return decode == null ? '–' : `${decode.kind === 'floor' ? '≥ ' : ''}${time(decode.seconds_per_token ?? decode.seconds)}`
  }
  const speed = (made as TrainingPlan).speed
  return speed === null ? '–' : `${time(speed.seconds_per_step)} (${named('part', 'step')})`
}
