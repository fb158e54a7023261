/** Rules of thumb beside the plan: what each says, how far off it is, and when it would be right. */

import { useLater } from '../later'
import { question } from '../store'
import type { Rule } from '../types'
import { Section } from '../ui/Section'
import { size } from '../units'
import { number, t } from '../words'

export function Rules() {
  const later = useLater<{ rules: Rule[] }>('rules', (mode) => (mode === 'serve' ? {} : null))
  if (question.value.mode !== 'serve') return null
  const rules = (later.value.value?.rules ?? []).filter((rule) => rule.applies && rule.ours !== null && rule.bytes !== null)
  return (
    <Section name="rules" title={t('rules.title')} lead={t('rules.lead')} later={later}>
      {rules.length > 0 && (
        <div class="scroll">
          <table class="rules">
            <thead>
              <tr>
                <th scope="col">{t('rules.rule')}</th>
                <th scope="col" class="num">{t('rules.says')}</th>
                <th scope="col" class="num wide">{t('rules.ours')}</th>
                <th scope="col" class="num">{t('rules.error')}</th>
              </tr>
            </thead>
            <tbody>{rules.map((rule) => <Row key={rule.id} rule={rule} />)}</tbody>
          </table>
        </div>
      )}
    </Section>
  )
}

function Row({ rule }: { rule: Rule }) {
  const off = rule.error ?? 0
  const kind = Math.abs(off) < 0.05 ? 'near' : Math.abs(off) < 0.3 ? 'off' : 'far'
  return (
    <tr>
      <th scope="row">
        <details>
          <summary><bdi lang="en" dir="ltr">{rule.title}</bdi></summary>
          <div class="rule-facts" lang="en" dir="ltr">
            <code class="formula">{rule.formula}</code>
            <p><b>{t('rules.near')}</b> {rule.near}</p>
            <p><b>{t('rules.fails')}</b> {rule.fails}</p>
            {rule.here.map((each) => <p key={each}><b>{t('rules.here')}</b> {each}</p>)}
            <p class="quiet">{rule.source}</p>
          </div>
        </details>
      </th>
      <td class="num"><bdi>{rule.bytes === null ? '–' : size(rule.bytes)}</bdi></td>
      <td class="num wide"><bdi>{rule.ours === null ? '–' : size(rule.ours.bytes)}</bdi></td>
      <td class="num"><span class={`error ${kind}`}><bdi>{rule.error === null ? '–' : signed(off)}</bdi></span></td>
    </tr>
  )
}

function signed(share: number): string {
  if (share > 9) return t('rules.times', { count: number(share + 1, { maximumFractionDigits: 0 }) })
  return number(share, { style: 'percent', signDisplay: 'exceptZero', maximumFractionDigits: 1 })
}
