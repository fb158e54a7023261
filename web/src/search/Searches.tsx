/** Searches that take seconds, each behind its heading: its code is fetched and it is asked when opened. */

import { signal } from '@preact/signals'
import type { ComponentType } from 'preact'
import { useEffect, useId } from 'preact/hooks'
import { question } from '../store'
import { t } from '../words'
import { PARTS, searches, toggle } from './wishes'
import type { Part } from './wishes'

const LOAD: Record<Part, () => Promise<{ Body: ComponentType }>> = {
  recommend: () => import('./Recommend'),
  fleet: () => import('./Fleet'),
  place: () => import('./Place'),
}

const bodies = signal<Partial<Record<Part, ComponentType>>>({})

export function Searches() {
  if (question.value.mode !== 'serve') return null
  return <div class="searches">{PARTS.map((part) => <Search key={part} part={part} />)}</div>
}

function Search({ part }: { part: Part }) {
  const id = useId()
  const open = searches.value.open.includes(part)
  const Body = bodies.value[part]
  useEffect(() => {
    if (open && bodies.peek()[part] === undefined) {
      void LOAD[part]().then(({ Body: loaded }) => (bodies.value = { ...bodies.peek(), [part]: loaded }))
    }
  }, [open])
  return (
    <section class="card search" data-part={part} aria-labelledby={id}>
      <h2 id={id}>
        <button type="button" name={`open_${part}`} aria-expanded={open} onClick={() => toggle(part)}>
          <span class="chevron" aria-hidden="true" />
          <span>{TITLES[part]()}</span>
          <span class="quiet lead">{LEADS[part]()}</span>
        </button>
      </h2>
      {open && (Body === undefined ? <p class="quiet waiting">{t('waiting')}</p> : <Body />)}
    </section>
  )
}

const TITLES: Record<Part, () => string> = {
  recommend: () => t('recommend.title'),
  fleet: () => t('fleet.title'),
  place: () => t('place.title'),
}
const LEADS: Record<Part, () => string> = {
  recommend: () => t('recommend.lead'),
  fleet: () => t('fleet.lead'),
  place: () => t('place.lead'),
}
