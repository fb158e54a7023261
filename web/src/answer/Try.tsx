/** What would make it fit, or what else the machine would hold; each can be tried at once. */

import { useLater } from '../later'
import { ask, question, set } from '../store'
import type { Fit, Options, Remedy, Weighing } from '../types'
import { Section } from '../ui/Section'
import { size } from '../units'
import { number, side, t } from '../words'

export function Try({ made }: { made: Weighing }) {
  const later = useLater<Fit>('fit', (mode) => (mode === 'serve' && question.peek().on !== '' ? {} : null))
  const fit = later.value.value
  const remedies = made.verdict.try
  const serving = question.value.mode === 'serve'
  if (!serving && remedies.length === 0) return null
  return (
    <Section name="try" title={t(made.verdict.fits === false ? 'try.title' : 'try.reach')} {...(serving && question.value.on !== '' ? { later } : {})}>
      {remedies.length > 0 && (
        <ul class="remedies">
          {remedies.map((remedy) => (
            <li key={remedy.option + remedy.value}>
              <code dir="ltr">{`${remedy.option} ${remedy.value}`}</code>
              <span class="quiet">{size(remedy.total_bytes)}</span>
              <span class="quiet grow"><bdi dir={side(remedy.why)}>{remedy.why}</bdi></span>
              <button type="button" class="small" name="apply" onClick={() => apply(remedy)}>{t('try.apply')}</button>
            </li>
          ))}
        </ul>
      )}
      {fit !== null && (
        <ul class="reaches">
          <Reached name={t('try.context')} value={t('figure.tokens', { count: fit.longest_context.value })} note={fit.longest_context.binding} use={() => set('max_model_len', fit.longest_context.value)} possible={fit.longest_context.value > 0} />
          <Reached name={t('try.users')} value={number(fit.most_users.value)} note={fit.most_users.binding} use={() => set('concurrency', fit.most_users.value)} possible={fit.most_users.value > 0} />
          {fit.best_format !== null && <Reached name={t('try.format')} value={fit.best_format} note="" use={() => set('weights', fit.best_format)} possible />}
          {fit.levers.map((lever) => (
            <Reached
              key={JSON.stringify(lever.changes)}
              name={Object.entries(lever.changes).map(([name, value]) => `${name} ${String(value)}`).join(', ')}
              value={t('try.to', { before: lever.before, after: lever.after })}
              note={lever.why}
              use={() => change(lever.changes)}
              possible
            />
          ))}
        </ul>
      )}
    </Section>
  )
}

interface ReachedProps {
  name: string
  value: string
  note: string
  use: () => void
  possible: boolean
}

function Reached({ name, value, note, use, possible }: ReachedProps) {
  return (
    <li>
      <span class="what"><bdi>{name}</bdi></span>
      <strong><bdi>{value}</bdi></strong>
      {possible && <button type="button" class="small" name="use" onClick={use}>{t('try.apply')}</button>}
      {note !== '' && <span class="quiet note"><bdi dir={side(note)}>{note}</bdi></span>}
    </li>
  )
}

function apply(remedy: Remedy): void {
  const words = `${remedy.option} ${remedy.value}`.trim().split(/\s+/)
  if (!remedy.option.startsWith('--')) return change({ [remedy.option]: remedy.value })
  const changes: Options = {}
  words.forEach((word, at) => {
    if (!word.startsWith('--')) return
    const next = words[at + 1]
    changes[word.slice(2).replaceAll('-', '_')] = next === undefined || next.startsWith('--') ? true : next
  })
  change(changes)
}

function change(changes: Options): void {
  for (const [name, value] of Object.entries(changes)) {
    if (name === 'on') ask({ on: String(value) })
    else set(name, typeof value === 'string' && /^\d+$/.test(value) ? Number(value) : value)
  }
}
