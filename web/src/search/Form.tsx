/** The wishes of a search as a form: one row of a table for each, the button, and how far it is. */

import { useId } from 'preact/hooks'
import { Choice } from '../ui/Choice'
import type { Item } from '../ui/Choice'
import { named, number, side, t } from '../words'
import type { Run } from './run'
import { searches, wish } from './wishes'
import type { Part } from './wishes'

export interface Field {
  name: string
  /** the unit behind a number; without one the wish is words */
  unit?: string
  items?: () => Item[]
  hint?: string
}

interface Props {
  part: Part
  fields: Field[]
  run: Run<unknown>
  start: string
}

export function Form({ part, fields, run, start }: Props) {
  const { running, stale, progress, ended, problem } = run
  const go = (event: Event): void => {
    event.preventDefault()
    // A number that is being typed is taken as it stands.
    if (document.activeElement instanceof HTMLInputElement) document.activeElement.blur()
    run.start()
  }
  return (
    <form class="wishes" onSubmit={go} aria-busy={running.value}>
      <div class="fields">{fields.map((field) => <One key={field.name} part={part} field={field} />)}</div>
      <div class="go">
        <button type="submit" name={`start_${part}`} class={stale.value && !running.value ? 'primary' : ''}>{start}</button>
        {running.value ? (
          <>
            <button type="button" name={`stop_${part}`} onClick={run.stop}>{t('search.stop')}</button>
            <progress aria-label={t('search.running')} {...(progress.value === null ? {} : { value: progress.value.done, max: progress.value.of })} />
            <span class="quiet"><bdi dir={side(progress.value?.text ?? t('search.running'))}>{progress.value?.text ?? t('search.running')}</bdi></span>
          </>
        ) : (
          <>
            {stale.value && <span class="quiet">{t('search.stale')}</span>}
            {ended.value && <span class="quiet">{t('search.ended')}</span>}
          </>
        )}
      </div>
      <p class="unseen" role="status">{running.value ? t('search.running') : ended.value ? t('search.ended') : run.value.value !== null ? t('search.done') : ''}</p>
      {problem.value !== null && <p class="complaint" role="alert"><bdi dir={side(problem.value)}>{problem.value}</bdi></p>}
    </form>
  )
}

function One({ part, field: { name, unit, items, hint } }: { part: Part; field: Field }) {
  const id = useId()
  const value = searches.value.wishes[part][name]
  const label = named('wish', name)
  const keep = (text: string): void => wish(part, name, text.trim() === '' ? null : unit === undefined ? text.trim() : latin(text.trim()))
  if (items !== undefined) {
    const [first] = items()
    return <Choice name={`${part}_${name}`} label={label} value={String(value ?? first?.value ?? '')} items={items()} onChange={(picked) => wish(part, name, picked === first?.value ? null : picked)} />
  }
  return (
    <div class="field">
      <label for={id}>{unit === undefined || unit === '' ? label : `${label} (${unit})`}</label>
      <input
        id={id}
        name={`${part}_${name}`}
        type="text"
        dir="ltr"
        {...(unit === undefined ? {} : { inputMode: 'decimal' as const })}
        placeholder={hint ?? t('search.any')}
        value={value === undefined ? '' : String(value)}
        onChange={(event) => keep(event.currentTarget.value)}
      />
    </div>
  )
}

/** Digits of any script and a decimal comma as the API reads them. */
function latin(text: string): string {
  const digits = text.replace(/[۰-۹]/g, (digit) => String('۰۱۲۳۴۵۶۷۸۹'.indexOf(digit))).replace('٫', '.')
  return /^\d+,\d{1,2}$/.test(digits) ? digits.replace(',', '.') : digits
}

/** `$0.16–0.18`, or one amount where both ends are the same. */
export function dollars({ low, high }: { low: number; high: number }): string {
  const one = (value: number): string => number(value, { style: 'currency', currency: 'USD', currencyDisplay: 'narrowSymbol', minimumFractionDigits: 2, maximumFractionDigits: 2 })
  return one(low) === one(high) ? one(low) : `${one(low)} – ${one(high)}`
}
