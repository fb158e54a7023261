/** One of several: a list that opens, or a row of buttons where there are few. */

import { useId } from 'preact/hooks'

export interface Item {
  value: string
  label: string
}

interface Props {
  name: string
  label: string
  value: string
  items: (Item | { group: string; items: Item[] })[]
  onChange: (value: string) => void
  hideLabel?: boolean
}

export function Choice({ name, label, value, items, onChange, hideLabel }: Props) {
  const id = useId()
  const known = items.some((item) =>
    'group' in item ? item.items.some((each) => each.value === value) : item.value === value,
  )
  return (
    <div class="field">
      <label for={id} class={hideLabel ? 'unseen' : ''}>{label}</label>
      <select id={id} name={name} value={value} onChange={(event) => onChange(event.currentTarget.value)}>
        {!known && <option value={value}>{value}</option>}
        {items.map((item) =>
          'group' in item ? (
            <optgroup key={item.group} label={item.group}>
              {item.items.map((each) => <option key={each.value} value={each.value}>{each.label}</option>)}
            </optgroup>
          ) : (
            <option key={item.value} value={item.value}>{item.label}</option>
          ),
        )}
      </select>
    </div>
  )
}

interface RowProps {
  name: string
  label: string
  value: string
  items: Item[]
  onChange: (value: string) => void
}

/** Radio buttons that look like one bar. */
export function Segments({ name, label, value, items, onChange }: RowProps) {
  return (
    <fieldset class="segments">
      <legend class="unseen">{label}</legend>
      {items.map((item) => (
        <label key={item.value}>
          <input
            type="radio"
            class="unseen"
            name={name}
            value={item.value}
            checked={item.value === value}
            onChange={() => onChange(item.value)}
          />
          <span>{item.label}</span>
        </label>
      ))}
    </fieldset>
  )
}

export function Toggle({ name, label, value, onChange }: { name: string; label: string; value: boolean; onChange: (value: boolean) => void }) {
  return (
    <label class="toggle">
      <input type="checkbox" name={name} checked={value} onChange={(event) => onChange(event.currentTarget.checked)} />
      <span>{label}</span>
    </label>
  )
}
