/** A text field with a list of proposals below it: the combobox of the ARIA practices. */

import { useId, useMemo, useRef, useState } from 'preact/hooks'
import { t } from '../words'

export interface Proposal {
  value: string
  label: string
  detail: string
  /** what a search looks through, in lower case */
  text: string
}

interface Props {
  label: string
  value: string
  placeholder?: string
  proposals: Proposal[]
  onPick: (value: string) => void
  hideLabel?: boolean
  name: string
}

const MOST_SHOWN = 60

/** Proposals that hold every word of the search; those that begin with it first. */
export function matching(proposals: Proposal[], search: string): Proposal[] {
  const words = search.toLowerCase().split(/\s+/).filter((word) => word !== '')
  if (words.length === 0) return proposals.slice(0, MOST_SHOWN)
  const found = proposals.filter((each) => words.every((word) => each.text.includes(word)))
  const first = words[0] ?? ''
  const rank = (each: Proposal): number => (each.value.toLowerCase().includes(first) ? 0 : 1)
  return found.sort((a, b) => rank(a) - rank(b)).slice(0, MOST_SHOWN)
}

export function Combo({ label, value, placeholder, proposals, onPick, hideLabel, name }: Props) {
  const id = useId()
  const [typed, setTyped] = useState<string | null>(null)
  const [open, setOpen] = useState(false)
  const [active, setActive] = useState(-1)
  const list = useRef<HTMLUListElement>(null)
  const shown = useMemo(() => (open ? matching(proposals, typed ?? '') : []), [open, proposals, typed])

  const pick = (picked: string): void => {
    setOpen(false)
    setTyped(null)
    setActive(-1)
    if (picked.trim() !== '') onPick(picked.trim())
  }
  const move = (to: number): void => {
    const at = (to + shown.length) % Math.max(shown.length, 1)
    setActive(at)
    list.current?.children[at]?.scrollIntoView({ block: 'nearest' })
  }
  const onKeyDown = (event: KeyboardEvent): void => {
    if (event.key === 'ArrowDown' || event.key === 'ArrowUp') {
      event.preventDefault()
      if (open) move(active + (event.key === 'ArrowDown' ? 1 : -1))
      else setOpen(true)
    } else if (event.key === 'Enter') {
      event.preventDefault()
      pick(shown[active]?.value ?? typed ?? value)
    } else if (event.key === 'Escape') {
      setOpen(false)
      setTyped(null)
    }
  }
  return (
    <div class="field combo">
      <label for={id} class={hideLabel ? 'unseen' : ''}>{label}</label>
      <input
        id={id}
        name={name}
        type="text"
        dir="ltr"
        role="combobox"
        autocomplete="off"
        spellcheck={false}
        aria-expanded={open}
        aria-controls={`${id}-list`}
        aria-autocomplete="list"
        {...(open && active >= 0 ? { 'aria-activedescendant': `${id}-${active}` } : {})}
        placeholder={placeholder ?? ''}
        value={typed ?? value}
        onFocus={(event) => event.currentTarget.select()}
        onClick={() => setOpen(true)}
        onInput={(event) => {
          setTyped(event.currentTarget.value)
          setOpen(true)
          setActive(-1)
        }}
        onKeyDown={onKeyDown}
        onBlur={() => {
          if (typed !== null && typed !== value) pick(typed)
          else setOpen(false)
        }}
      />
      <ul id={`${id}-list`} ref={list} role="listbox" aria-label={label} class="proposals" hidden={!open || shown.length === 0}>
        {shown.map((each, at) => (
          <li
            key={each.value}
            id={`${id}-${at}`}
            role="option"
            aria-selected={at === active}
            onPointerDown={(event) => {
              event.preventDefault()
              pick(each.value)
            }}
          >
            <bdi dir="ltr">{each.label}</bdi> <bdi dir="ltr" class="quiet">{each.detail}</bdi>
          </li>
        ))}
      </ul>
      <span class="unseen" role="status">{open ? t('combo.found', { count: shown.length }) : ''}</span>
    </div>
  )
}
