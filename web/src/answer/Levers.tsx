/** What each change would be worth in time: the levers of `weigh speed --what-if`. */

import { useLater } from '../later'
import { question } from '../store'
import type { WhatIf } from '../types'
import { Section } from '../ui/Section'
import { gib, rate, time } from '../units'
import { number, t } from '../words'

export function Levers() {
  const later = useLater<{ what_if: WhatIf[] }>('speed', (mode) => (mode === 'serve' && question.peek().on !== '' ? { what_if: true } : null))
  if (question.value.mode !== 'serve' || question.value.on === '') return null
  const rows = later.value.value?.what_if ?? []
  const now = rows.find((row) => row.lever === 'now')
  return (
    <Section name="levers" title={t('levers.title')} lead={t('levers.lead')} later={later}>
      {now !== undefined && (
        <div class="scroll">
          <table class="levers">
            <thead>
              <tr>
                <th scope="col">{t('levers.change')}</th>
                <th scope="col" class="num">{t('figure.token')}</th>
                <th scope="col" class="num">{t('levers.gain')}</th>
                <th scope="col" class="num">{t('levers.rate')}</th>
                <th scope="col" class="num">GiB</th>
              </tr>
            </thead>
            <tbody>
              {rows.map((row) => (
                <tr key={row.lever + row.value} title={[row.assumes, row.limit].filter(Boolean).join('; ')}>
                  <th scope="row"><bdi lang="en" dir="ltr">{row === now ? t('levers.now') : `${row.lever}: ${row.value}`}</bdi></th>
                  <td class="num"><bdi>{time(row.token)}</bdi></td>
                  <td class="num"><bdi>{`× ${number(now.token / row.token, { maximumFractionDigits: 2 })}`}</bdi></td>
                  <td class="num"><bdi>{rate(row.tokens_per_second)}</bdi></td>
                  <td class="num"><bdi>{gib(row.memory)}</bdi></td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
    </Section>
  )
}
