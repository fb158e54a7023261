/** What was assumed, and which key of the model's config said what. */

import type { Weighing } from '../types'
import { Section } from '../ui/Section'
import { t } from '../words'

export function Assumed({ made }: { made: Weighing }) {
  const answers = Object.entries(made.model.answers)
  return (
    <Section name="assumed" title={t('assumed.title')}>
      <ul class="plain">
        {made.request.assumptions.map((each) => <li key={each} dir="auto">{each}</li>)}
      </ul>
      <details>
        <summary>{t('assumed.read')}</summary>
        <dl class="facts" lang="en" dir="ltr">
          {answers.map(([name, value]) => <div key={name}><dt>{name}</dt><dd><code>{value}</code></dd></div>)}
          <div><dt>source</dt><dd>{made.model.source}</dd></div>
        </dl>
      </details>
    </Section>
  )
}
