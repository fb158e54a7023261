/** A part of the answer that is asked for when it comes into sight. */

import type { ComponentChildren } from 'preact'
import { useId } from 'preact/hooks'
import type { Later } from '../later'
import { side, t } from '../words'

interface Props {
  name: string
  title: string
  lead?: string
  later?: Later<unknown>
  tools?: ComponentChildren
  children: ComponentChildren
}

export function Section({ name, title, lead, later, tools, children }: Props) {
  const id = useId()
  const stale = later?.stale.value === true
  return (
    <section
      class={`card ${stale ? 'stale' : ''}`}
      data-part={name}
      aria-labelledby={id}
      aria-busy={stale}
      ref={later?.seen ?? null}
    >
      <header>
        <h2 id={id}>{title}</h2>
        {tools !== undefined && <div class="tools">{tools}</div>}
      </header>
      {lead !== undefined && <p class="lead">{lead}</p>}
      {later?.problem.value != null ? (
        <p class="quiet"><bdi dir={side(later.problem.value)}>{later.problem.value}</bdi></p>
      ) : (
        children
      )}
      {later !== undefined && later.value.value === null && later.problem.value === null && (
        <p class="quiet waiting">{t('waiting')}</p>
      )}
    </section>
  )
}
