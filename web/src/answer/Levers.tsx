/** What each change would be worth in time: the levers of `weigh speed --what-if`. */

import { useSignal } from '@preact/signals'
import { useLater } from '../later'
import { question } from '../store'
import type { WhatIf } from '../types'
import { Section } from '../ui/Section'
import { gib, rate, time } from '../units'
import { number, t } from '../words'

const FEW = 9

export function Levers() {
  const later = useLater<{ what_if: WhatIf[] }>('speed', (mode) => (mode === 'serve' && question.peek().on !== '' ? { what_if: true } : null))
  if (question.value.mode !== 'serve' || question.value.on === '') return null
  const rows = later.value.value?.what_if ?? []
  const now = rows.find((row) => row.lever === 'now')
  const helps = (row: WhatIf): boolean => now !== undefined && now.token / row.token > 1.005
  const best = rows.filter(helps).sort((a, b) => a.token - b.token)
  const all = useSignal(false)
  const shown = now === undefined ? [] : [now, ...best.slice(0, all.value ? undefined : FEW), ...(all.value ? rows.filter((row) => row !== now && !helps(row)) : [])]
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
                <th scope="col" class="num wide">{t('levers.rate')}</th>
                <th scope="col" class="num wide">GiB</th>
              </tr>
            </thead>
            <tbody>
              {shown.map((row) => (
                <tr key={row.lever + row.value} title={[row.assumes, row.limit].filter(Boolean).join('; ')}>
                  <th scope="row"><bdi dir="auto">{row === now ? t('levers.now') : `${row.lever}: ${row.value}`}</bdi></th>
                  <td class="num"><bdi>{time(row.token)}</bdi></td>
                  <td class="num"><bdi>{`× ${number(now.token / row.token, { maximumFractionDigits: 2 })}`}</bdi></td>
                  <td class="num wide"><bdi>{rate(row.tokens_per_second)}</bdi></td>
                  <td class="num wide"><bdi>{gib(row.memory)}</bdi></td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
      {rows.length > shown.length && <button type="button" class="link" name="all_levers" onClick={() => (all.value = true)}>{t('levers.all', { count: rows.length - 1 })}</button>}
    </Section>
  )
}
