/** Where the time goes: the parts of a token, of a prompt, or of a training step. */

import { plan, training } from '../store'
import type { Pass } from '../types'
import { Section } from '../ui/Section'
import { time } from '../units'
import { named, percent, t } from '../words'
import { Roofline } from './Roofline'

interface Piece {
  name: string
  seconds: number
}

export function Speed() {
  const speed = plan.value?.speed ?? null
  const step = training.value?.speed ?? null
  if (speed === null && step === null) return null
  const passes: [string, Pass | null][] = [['decode', speed?.decode ?? null], ['prefill', speed?.prefill ?? null]]
  return (
    <Section name="speed" title={t('speed.title')}>
      <div class="splits">
        {passes.map(([name, pass]) => pass !== null && (
          <Split
            key={name}
            title={named('phase', name)}
            total={pass.seconds}
            pieces={pieces(pass)}
            note={t('speed.bound', { by: named('bound', pass.bound_by.replaceAll(' ', '_')), share: percent(pass.memory_wait_fraction, 0) })}
          />
        ))}
        {step !== null && <Split title={t('figure.step')} total={step.seconds_per_step} pieces={step.parts} note="" />}
      </div>
      {speed !== null && <Roofline speed={speed} />}
    </Section>
  )
}

/** The modelled parts of a pass; of a floor, the two times of which it is the larger. */
function pieces(pass: Pass): Piece[] {
  if (pass.split !== undefined) return Object.entries(pass.split).map(([name, seconds]) => ({ name, seconds }))
  const memory = (pass as Pass & { memory_seconds?: number }).memory_seconds ?? 0
  return [{ name: 'memory', seconds: memory }, { name: 'compute', seconds: pass.arithmetic_seconds }]
}

function Split({ title, total, pieces: parts, note }: { title: string; total: number; pieces: Piece[]; note: string }) {
  const most = Math.max(...parts.map((part) => part.seconds), Number.MIN_VALUE)
  const shown = parts.filter((part) => part.seconds > 0).sort((a, b) => b.seconds - a.seconds)
  return (
    <table class="split">
      <caption><span>{title}</span> <strong><bdi>{time(total)}</bdi></strong></caption>
      <thead class="unseen">
        <tr><th scope="col">{t('speed.part')}</th><th scope="col">{t('speed.time')}</th><th scope="col">{t('terms.share')}</th></tr>
      </thead>
      <tbody>
        {shown.map((part) => (
          <tr key={part.name}>
            <th scope="row">{named('part', part.name.replaceAll(' ', '_'))}</th>
            <td class="lane"><meter min={0} max={most} value={part.seconds} aria-hidden="true" /><bdi>{time(part.seconds)}</bdi></td>
            <td class="num quiet"><bdi>{percent(part.seconds / total, 0)}</bdi></td>
          </tr>
        ))}
      </tbody>
      {note !== '' && <tfoot><tr><td colSpan={3} class="quiet">{note}</td></tr></tfoot>}
    </table>
  )
}
