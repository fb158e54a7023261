/** Which cards, how many of each, and several kinds together. */

import { useComputed } from '@preact/signals'
import { parseRack, rackText } from '../question'
import type { Rack } from '../question'
import { ask, cards, question } from '../store'
import { Combo } from '../ui/Combo'
import type { Proposal } from '../ui/Combo'
import { GIB } from '../units'
import { number, t } from '../words'

const MOST = 1024

export function Hardware() {
  const proposals = useComputed<Proposal[]>(() =>
    cards.value.map((card) => ({
      value: card.id,
      label: card.name,
      detail: `${number(Math.round(card.marketed_memory / GIB))} GiB · ${card.id}`,
      text: [card.id, card.name, card.vendor, card.architecture ?? '', ...card.aliases, ...card.common].join(' ').toLowerCase(),
    })),
  )
  const rack = parseRack(question.value.on)
  const rows = rack.length === 0 ? [{ card: '', count: 1 }] : rack
  const change = (at: number, row: Partial<Rack> | null): void => {
    const next = rows.map((each, i) => (i === at && row !== null ? { ...each, ...row } : each))
    ask({ on: rackText(row === null ? next.filter((_, i) => i !== at) : next) })
  }
  return (
    <fieldset class="group">
      <legend>{t('hardware')}</legend>
      {rows.map((row, at) => (
        <div class="rack" key={`${at}-${rows.length}`}>
          <div class="stepper" role="group" aria-label={t('hardware.count')}>
            <button type="button" name={`fewer_${at}`} aria-label={t('hardware.fewer')} disabled={row.count <= 1} onClick={() => change(at, { count: row.count - 1 })}>−</button>
            <output aria-live="polite">{number(row.count)}</output>
            <button type="button" name={`more_${at}`} aria-label={t('hardware.more')} disabled={row.count >= MOST} onClick={() => change(at, { count: row.count + 1 })}>+</button>
          </div>
          <Combo
            name={`card_${at}`}
            label={t('hardware.card')}
            hideLabel
            placeholder={t('hardware.placeholder')}
            value={row.card}
            proposals={proposals.value}
            onPick={(card) => change(at, parseRack(card)[0]?.count === 1 ? { card } : (parseRack(card)[0] ?? { card }))}
          />
          {rows.length > 1 && (
            <button type="button" class="icon" name={`remove_${at}`} aria-label={t('hardware.remove')} onClick={() => change(at, null)}>×</button>
          )}
        </div>
      ))}
      <button type="button" class="link" name="add_card" onClick={() => ask({ on: rackText([...rows, { card: 'rtx-3090', count: 1 }]) })}>
        {t('hardware.add')}
      </button>
    </fieldset>
  )
}
