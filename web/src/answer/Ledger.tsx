/** The ledger: a bar for each kind of device, and every term with its bounds and its reason. */

import { useSignal } from '@preact/signals'
import { Segments } from '../ui/Choice'
import { groups, ledger } from '../terms'
import type { Group } from '../terms'
import type { Weighing } from '../types'
import { gib, size } from '../units'
import { named, number, t } from '../words'
import { Bar } from './Bar'
import { Terms } from './Terms'

export function Ledger({ made }: { made: Weighing }) {
  const found = groups(made.devices)
  const chosen = useSignal(0)
  const wanted = useSignal('peak')
  const at = Math.min(chosen.value, found.length - 1)
  const group = found[at]
  if (group === undefined) return null
  const phases = Object.keys(group.first.phases)
  const phase = phases.includes(wanted.value) ? wanted.value : null
  const scale = 1.02 * Math.max(...found.flatMap(({ first }) => [first.usable_bytes ?? 0, first.total_bytes, Math.min(first.high, first.total_bytes * 1.35)]))
  return (
    <div class="ledger">
      {phases.length > 1 && (
        <Segments
          name="phase"
          label={t('ledger.phase')}
          value={phase ?? 'peak'}
          items={[
            { value: 'peak', label: t('ledger.peak', { phase: named('phase', group.first.phase) }) },
            ...phases.map((each) => ({ value: each, label: named('phase', each) })),
          ]}
          onChange={(value) => (wanted.value = value)}
        />
      )}
      {found.map((each, place) => {
        const held = ledger(each.first, phase)
        return (
          <div key={each.name + String(place)} class={`device ${place === at && found.length > 1 ? 'chosen' : ''}`}>
            <h3>
              {found.length > 1 ? (
                <button type="button" class="link" name={`device_${place}`} aria-pressed={place === at} onClick={() => (chosen.value = place)}>
                  <Title group={each} />
                </button>
              ) : (
                <Title group={each} />
              )}
              <span class="of">
                <bdi>{each.first.usable_bytes === null ? size(held.total_bytes) : t('ledger.of', { used: gib(held.total_bytes), usable: size(each.first.usable_bytes) })}</bdi>
              </span>
            </h3>
            <Bar device={each.first} ledger={held} scale={scale} label={describe(each, held.total_bytes)} />
          </div>
        )
      })}
      <Terms device={group.first} held={ledger(group.first, phase)} />
      {made.host !== null && made.host.total_bytes > 0 && (
        <details class="host">
          <summary>{t('ledger.host', { size: size(made.host.total_bytes) })}</summary>
          <Terms device={made.host} held={ledger(made.host, null)} />
        </details>
      )}
    </div>
  )
}

function Title({ group }: { group: Group }) {
  const count = group.devices.length
  return <bdi dir="ltr">{count > 1 ? `${number(count)} × ${group.name}` : group.name}</bdi>
}

function describe(group: Group, total: number): string {
  const { usable_bytes: usable } = group.first
  const used = size(total)
  const text = usable === null ? t('sentence.nowhere', { used }) : t('bar.label', { card: group.name, used, usable: size(usable) })
  return group.devices.length > 1 ? `${number(group.devices.length)} × ${text}` : text
}
